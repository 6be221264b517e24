/** Checks folders on a real disk: their modes, and paths in which they cannot be made. */
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test as base, describe, expect } from "vitest";
import { makeFolders } from "./make-folders.ts";

const test = base.extend<{ dir: string }>({
  // biome-ignore lint/correctness/noEmptyPattern: Vitest reads a fixture's needs from this pattern
  dir: async ({}, use) => {
    const dir = mkdtempSync(join(tmpdir(), "lockstep-folders-"));
    await use(dir);
    rmSync(dir, { recursive: true });
  },
});

describe("makeFolders", () => {
  test("makeFolders makes missing folders with the mode, and leaves existing ones", ({ dir }) => {
    makeFolders(join(dir, "a/b"), 0o700);
    makeFolders(join(dir, "a/b/c"));
    expect(statSync(join(dir, "a")).mode & 0o777).toBe(0o700);
    expect(statSync(join(dir, "a/b/c")).isDirectory()).toBe(true);
  });

  test.runIf(process.platform === "linux")("makeFolders fails at once in a folder that takes no others", () => {
    expect(() => makeFolders("/proc/x/y")).toThrow(/ENOENT.*'\/proc\/x'/);
  });

  test("makeFolders fails if a file is in the path", ({ dir }) => {
    writeFileSync(join(dir, "file"), "");
    expect(() => makeFolders(join(dir, "file/a"))).toThrow(/file/);
    expect(() => makeFolders(join(dir, "file"))).toThrow(/EEXIST/);
  });
});
