import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { makeFolders } from "./make-folders.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "lockstep-folders-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

describe("makeFolders", () => {
  test("makes those that are missing, with the mode, and leaves those that are there", () => {
    makeFolders(join(dir, "a/b"), 0o700);
    makeFolders(join(dir, "a/b/c"));
    expect(statSync(join(dir, "a")).mode & 0o777).toBe(0o700);
    expect(statSync(join(dir, "a/b/c")).isDirectory()).toBe(true);
  });

  test.runIf(process.platform === "linux")("fails at once in a folder that takes none", () => {
    expect(() => makeFolders("/proc/x/y")).toThrow(/ENOENT.*'\/proc\/x'/);
  });

  test("fails where a file stands", () => {
    writeFileSync(join(dir, "file"), "");
    expect(() => makeFolders(join(dir, "file/a"))).toThrow(/file/);
    expect(() => makeFolders(join(dir, "file"))).toThrow(/EEXIST/);
  });
});
