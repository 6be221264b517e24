/** Checks the wording of the sources: their names, header comments and doc comments. */
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { readSourceTexts } from "./testing/architecture/source-tree.ts";
import { wordFaults } from "./testing/architecture/words.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

test("no name contains an avoided word, every file has a header comment, and every export a doc comment", () => {
  const texts = readSourceTexts(root);
  expect(texts.size).toBeGreaterThan(500); // an empty tree would pass
  expect(wordFaults(texts)).toEqual([]);
});
