/** Tests the bundles of pages' scripts, which esbuild makes in a process of its own. */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { test } from "@lockstep/testing";
import { expect } from "vitest";
import { bundleScript } from "./bundle.ts";

function writeScript(path: string, text: string): URL {
  writeFileSync(path, text);
  return pathToFileURL(path);
}

test("bundleScript makes one JavaScript module of a TypeScript file and all of its imports", async ({ folder }) => {
  writeScript(join(folder, "sum.ts"), "export const sum = (a: number, b: number): number => a + b;");
  const entry = writeScript(
    join(folder, "page.ts"),
    'import { sum } from "./sum.ts";\nexport const answer: number = sum(40, 2);',
  );
  const made = writeScript(join(folder, "page.mjs"), await bundleScript(entry));
  rmSync(join(folder, "sum.ts")); // the bundle must not need it
  expect((await import(made.href)).answer).toBe(42);
});

test("bundleScript refuses a script that imports a module of Node", async ({ folder }) => {
  const entry = writeScript(
    join(folder, "server.ts"),
    'import { readFileSync } from "node:fs";\nconsole.log(readFileSync("x"));',
  );
  await expect(bundleScript(entry)).rejects.toThrow('Could not resolve "node:fs"');
});
