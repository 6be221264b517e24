/** Tests the reader of a file to which another process appends lines. */
import { appendFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test as base } from "@lockstep/testing";
import { expect } from "vitest";
import { GrowingFile } from "./growing-file.ts";

/** Tests with the path of a file that does not exist yet. */
const test = base.extend("path", ({ folder }) => join(folder, "rows"));

test("each read returns the new complete lines, and none twice", ({ path }) => {
  const file = new GrowingFile(path);
  expect(file.read()).toEqual({ text: "", isReplaced: false, linesBefore: 0 });
  writeFileSync(path, "one\ntwo é\nthr");
  expect(file.read()).toEqual({ text: "one\ntwo é\n", isReplaced: true, linesBefore: 0 });
  expect(file.read()).toEqual({ text: "", isReplaced: false, linesBefore: 2 });
  appendFileSync(path, "ee\nfour\n");
  expect(file.read()).toEqual({ text: "three\nfour\n", isReplaced: false, linesBefore: 2 });
});

test("a file that replaces another, even a longer one, or is cut short is read from its beginning", ({ path }) => {
  const file = new GrowingFile(path);
  writeFileSync(path, "one\ntwo\n");
  file.read();
  writeFileSync(`${path}.tmp`, "one\nzwei\ndrei\n");
  renameSync(`${path}.tmp`, path);
  expect(file.read()).toEqual({ text: "one\nzwei\ndrei\n", isReplaced: true, linesBefore: 0 });
  writeFileSync(path, "one\n");
  expect(file.read()).toEqual({ text: "one\n", isReplaced: true, linesBefore: 0 });
});
