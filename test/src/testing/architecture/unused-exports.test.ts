/** Exports values and types that other files use or do not use, in files of a few lines. */
import { expect, test } from "vitest";
import { unusedExports } from "./unused-exports.ts";

test("an exported value that no other file names is reported, but not a type or a value that one names", () => {
  const texts = new Map([
    [
      "src/one.ts",
      "export const one = 1;\nexport async function two() {}\nexport class Three {}\nexport type Four = 4;\n",
    ],
    ["src/two.ts", 'import { two } from "./one.ts";\n\n/* one */ two();\n'],
  ]);
  expect(unusedExports(texts)).toEqual([
    "src/one.ts exports Three, which no other file uses",
    "src/one.ts exports one, which no other file uses",
  ]);
});
