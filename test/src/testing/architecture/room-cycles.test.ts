import { expect, test } from "vitest";
import { roomCycles } from "./room-cycles.ts";
import { parseSourceTree } from "./source-tree.ts";

/** The cycles of one package, whose sources have these imports by relative path. */
function cyclesOf(imports: Record<string, readonly string[]>): string[] {
  const texts = Object.entries(imports).map(([path, specifiers]): [string, string] => {
    const lines = specifiers.map((specifier) => `import type { One } from "${specifier}";\n`);
    return [`packages/house/${path}`, lines.join("")];
  });
  const json = JSON.stringify({ name: "@lockstep/house" });
  return roomCycles(parseSourceTree(new Map([["packages/house/package.json", json], ...texts])));
}

test("rooms that point one way have no cycle, be it from several files of one", () => {
  const imports = {
    "src/attic/roof.ts": ["../kitchen/stove.ts", "./beam.ts"],
    "src/attic/beam.ts": ["../cellar/coal.ts", "./roof.ts"],
    "src/kitchen/stove.ts": ["../cellar/coal.ts"],
  };
  expect(cyclesOf(imports)).toEqual([]);
});

test("two rooms whose files need each other are a cycle, though the files have none", () => {
  const imports = { "src/kitchen/stove.ts": ["../cellar/coal.ts"], "src/cellar/lamp.ts": ["../kitchen/matches.ts"] };
  expect(cyclesOf(imports)).toEqual(["packages/house has a cycle of rooms: cellar → kitchen → cellar"]);
});

test("of each knot a shortest cycle is told, once", () => {
  const imports = {
    "src/attic/roof.ts": ["../bath/tub.ts"],
    "src/bath/tub.ts": ["../cellar/coal.ts"],
    "src/cellar/coal.ts": ["../attic/roof.ts", "../kitchen/stove.ts"],
    "src/kitchen/stove.ts": ["../kitchen/shelf/jar.ts", "../cellar/lamp.ts"],
    "src/kitchen/shelf/jar.ts": ["../stove.ts"],
  };
  expect(cyclesOf(imports)).toEqual([
    "packages/house has a cycle of rooms: attic → bath → cellar → attic",
    "packages/house has a cycle of rooms: kitchen → kitchen/shelf → kitchen",
  ]);
});

test("a file outside all folders is a room by itself: rooms may share one, and another may join them", () => {
  const imports = {
    "src/house.ts": ["./kitchen/stove.ts", "./words.ts"],
    "src/kitchen/stove.ts": ["../words.ts"],
    "program.ts": ["./src/house.ts"],
  };
  expect(cyclesOf(imports)).toEqual([]);
  expect(cyclesOf({ ...imports, "src/kitchen/lamp.ts": ["../house.ts"] })).toEqual([
    "packages/house has a cycle of rooms: house.ts → kitchen → house.ts",
  ]);
});

test("imports by tests and their helpers do not count", () => {
  const imports = {
    "src/kitchen/stove.ts": ["../cellar/coal.ts"],
    "src/cellar/coal.test.ts": ["../kitchen/stove.ts"],
    "src/testing/toy.ts": ["../kitchen/stove.ts"],
    "src/cellar/testing/lamp.ts": ["../../kitchen/stove.ts"],
  };
  expect(cyclesOf(imports)).toEqual([]);
});
