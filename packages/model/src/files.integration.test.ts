/** Lists the modules that a process of its own has loaded: the entry for files loads no TensorFlow.js. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

/** The modules of TensorFlow.js that a process of its own has loaded after importing `name`; they are all CommonJS. */
async function tfjsModulesOf(name: string): Promise<string[]> {
  const program = `import { createRequire } from "node:module";
    await import(${JSON.stringify(name)});
    console.log(JSON.stringify(Object.keys(createRequire(import.meta.url).cache)));`;
  const flags = ["--import", "tsx", "--conditions=lockstep-source", "--input-type=module", "--eval", program];
  const cwd = fileURLToPath(new URL("../../..", import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, flags, { cwd });
  return (JSON.parse(stdout) as string[]).filter((path) => path.includes("tfjs"));
}

test("@lockstep/model/files loads nothing of TensorFlow.js, which @lockstep/model does", async () => {
  expect(await tfjsModulesOf("@lockstep/model")).not.toEqual([]);
  expect(await tfjsModulesOf("@lockstep/model/files")).toEqual([]);
});
