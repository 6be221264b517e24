import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bundleScript } from "./bundle.ts";

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "lockstep-bundle-"));
});
afterAll(() => rmSync(dir, { recursive: true }));

function script(name: string, text: string): URL {
  writeFileSync(join(dir, name), text);
  return pathToFileURL(join(dir, name));
}

describe("bundleScript", () => {
  test("makes one module of JavaScript out of TypeScript and all that it imports", async () => {
    script("sum.ts", "export const sum = (a: number, b: number): number => a + b;");
    const entry = script("page.ts", 'import { sum } from "./sum.ts";\nexport const answer: number = sum(40, 2);');
    const made = script("page.mjs", await bundleScript(entry));
    rmSync(join(dir, "sum.ts")); // it must not be needed any more
    expect((await import(made.href)).answer).toBe(42);
  });

  test("fails where something that is Node's would come along", async () => {
    const entry = script("server.ts", 'import { readFileSync } from "node:fs";\nconsole.log(readFileSync("x"));');
    await expect(bundleScript(entry)).rejects.toThrow('Could not resolve "node:fs"');
  });
});
