import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { GrowingFile } from "./growing-file.ts";

let dir: string;
let path: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "lockstep-growing-"));
  path = join(dir, "rows");
});
afterEach(() => rmSync(dir, { recursive: true }));

test("each read returns the new complete lines, and none twice", () => {
  const file = new GrowingFile(path);
  expect(file.read()).toEqual({ text: "", isReplaced: false, linesBefore: 0 });
  writeFileSync(path, "one\ntwo é\nthr");
  expect(file.read()).toEqual({ text: "one\ntwo é\n", isReplaced: true, linesBefore: 0 });
  expect(file.read()).toEqual({ text: "", isReplaced: false, linesBefore: 2 });
  appendFileSync(path, "ee\nfour\n");
  expect(file.read()).toEqual({ text: "three\nfour\n", isReplaced: false, linesBefore: 2 });
});

test("a file that takes the place of another, or is cut short, is read anew, though it is longer", () => {
  const file = new GrowingFile(path);
  writeFileSync(path, "one\ntwo\n");
  file.read();
  writeFileSync(`${path}.tmp`, "one\nzwei\ndrei\n");
  renameSync(`${path}.tmp`, path);
  expect(file.read()).toEqual({ text: "one\nzwei\ndrei\n", isReplaced: true, linesBefore: 0 });
  writeFileSync(path, "one\n");
  expect(file.read()).toEqual({ text: "one\n", isReplaced: true, linesBefore: 0 });
});
