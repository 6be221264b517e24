/** Loads a TypeScript module in a process of its own, from another working folder. */
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { test } from "@lockstep/testing";
import { expect } from "vitest";

const spec =
  '{ name: "Tiny", inputShape: [4, 4, 1], layers: [{ type: "flatten" }, { type: "dense", name: "fc", units }] }';

test("loadModel loads a TypeScript module by a relative path if the program runs from TypeScript", async ({
  folder,
}) => {
  await writeFile(join(folder, "typed.ts"), `const units: number = 3;\nexport default ${spec};`);
  const load = `import { loadModel } from ${JSON.stringify(join(import.meta.dirname, "../index.ts"))}; console.log((await loadModel("./typed.ts")).numClasses);`;
  const tsx = import.meta.resolve("tsx");
  const flags = ["--import", tsx, "--conditions=lockstep-source", "--input-type=module", "--eval", load];
  expect((await promisify(execFile)(process.execPath, flags, { cwd: folder })).stdout).toBe("3\n");
});
