/** Checks folders on a real disk: their modes, and paths in which they cannot be made. */
import { statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "@lockstep/testing";
import { expect } from "vitest";
import { makeFolders } from "./make-folders.ts";

test("makeFolders makes missing folders with the mode, and leaves existing ones", ({ folder }) => {
  makeFolders(join(folder, "a/b"), 0o700);
  makeFolders(join(folder, "a/b/c"));
  expect(statSync(join(folder, "a")).mode & 0o777).toBe(0o700);
  expect(statSync(join(folder, "a/b/c")).isDirectory()).toBe(true);
});

test.runIf(process.platform === "linux")("makeFolders fails at once in a folder that takes no others", () => {
  expect(() => makeFolders("/proc/x/y")).toThrow(/ENOENT.*'\/proc\/x'/);
});

test("makeFolders fails if a file is in the path", ({ folder }) => {
  writeFileSync(join(folder, "file"), "");
  expect(() => makeFolders(join(folder, "file/a"))).toThrow(/file/);
  expect(() => makeFolders(join(folder, "file"))).toThrow(/EEXIST/);
});
