/** Checks the architecture of the repository: dependencies between packages, and where files are. */
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { LAYERS } from "./testing/architecture/layers.ts";
import { architectureFaults } from "./testing/architecture/rules.ts";
import { readSourceTexts, readSourceTree } from "./testing/architecture/source-tree.ts";
import { unusedExports } from "./testing/architecture/unused-exports.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

test("packages import only from lower layers, list what they import, have no cycles of folders, and keep test helpers in testing/", () => {
  const tree = readSourceTree(root);
  expect(tree.files.length).toBeGreaterThan(500); // an empty tree would pass
  expect(architectureFaults(tree, LAYERS)).toEqual([]);
});

test("each exported value is used by another file", () => {
  expect(unusedExports(readSourceTexts(root))).toEqual([]);
});
