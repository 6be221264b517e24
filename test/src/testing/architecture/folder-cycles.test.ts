/** Checks the search for cycles of folders in trees of a few invented imports. */
import { expect, test } from "vitest";
import { folderCycles } from "./folder-cycles.ts";
import { parseSourceTree } from "./source-tree.ts";

/** Returns the cycles of a package whose sources have these imports, by relative path. */
function cyclesOf(imports: Record<string, readonly string[]>): string[] {
  const texts = Object.entries(imports).map(([path, specifiers]): [string, string] => {
    const lines = specifiers.map((specifier) => `import type { One } from "${specifier}";\n`);
    return [`packages/house/${path}`, lines.join("")];
  });
  const json = JSON.stringify({ name: "@lockstep/house" });
  return folderCycles(parseSourceTree(new Map([["packages/house/package.json", json], ...texts])));
}

test("folders that import in one direction have no cycle, even if several files of one folder import", () => {
  const imports = {
    "src/attic/roof.ts": ["../kitchen/stove.ts", "./beam.ts"],
    "src/attic/beam.ts": ["../cellar/coal.ts", "./roof.ts"],
    "src/kitchen/stove.ts": ["../cellar/coal.ts"],
  };
  expect(cyclesOf(imports)).toEqual([]);
});

test("two folders whose files import each other are a cycle, although the files have none", () => {
  const imports = { "src/kitchen/stove.ts": ["../cellar/coal.ts"], "src/cellar/lamp.ts": ["../kitchen/matches.ts"] };
  expect(cyclesOf(imports)).toEqual(["packages/house has a cycle of folders: cellar → kitchen → cellar"]);
});

test("a shortest cycle of each group is reported once", () => {
  const imports = {
    "src/attic/roof.ts": ["../bath/tub.ts"],
    "src/bath/tub.ts": ["../cellar/coal.ts"],
    "src/cellar/coal.ts": ["../attic/roof.ts", "../kitchen/stove.ts"],
    "src/kitchen/stove.ts": ["../kitchen/shelf/jar.ts", "../cellar/lamp.ts"],
    "src/kitchen/shelf/jar.ts": ["../stove.ts"],
  };
  expect(cyclesOf(imports)).toEqual([
    "packages/house has a cycle of folders: attic → bath → cellar → attic",
    "packages/house has a cycle of folders: kitchen → kitchen/shelf → kitchen",
  ]);
});

test("a file outside all folders counts as a folder: folders may share one, and another may join them", () => {
  const imports = {
    "src/house.ts": ["./kitchen/stove.ts", "./words.ts"],
    "src/kitchen/stove.ts": ["../words.ts"],
    "program.ts": ["./src/house.ts"],
  };
  expect(cyclesOf(imports)).toEqual([]);
  expect(cyclesOf({ ...imports, "src/kitchen/lamp.ts": ["../house.ts"] })).toEqual([
    "packages/house has a cycle of folders: house.ts → kitchen → house.ts",
  ]);
});

test("imports in tests and their helpers do not count", () => {
  const imports = {
    "src/kitchen/stove.ts": ["../cellar/coal.ts"],
    "src/cellar/coal.test.ts": ["../kitchen/stove.ts"],
    "src/testing/toy.ts": ["../kitchen/stove.ts"],
    "src/cellar/testing/lamp.ts": ["../../kitchen/stove.ts"],
  };
  expect(cyclesOf(imports)).toEqual([]);
});
