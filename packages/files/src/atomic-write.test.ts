/** Checks writes that race, meet a folder in the way, or fail for lack of space or permission. */
import { existsSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "@lockstep/testing";
import { expect } from "vitest";
import { appendToFile, writeFileAtomically, writeSmallFile } from "./atomic-write.ts";

// Every write to /dev/full fails with ENOSPC.
const noFull = !existsSync("/dev/full");

const writers = [
  ["writeFileAtomically", (path: string, content: Uint8Array) => writeFileAtomically(path, [content])],
  ["writeSmallFile", async (path: string, content: Uint8Array) => writeSmallFile(path, content)],
] as const;

test.for(writers)(
  "%s writes a file in a folder that it makes, and leaves nothing else there",
  async ([, write], { folder }) => {
    const dir = join(folder, "a/b");
    await write(join(dir, "x"), Buffer.from("one"));
    expect(readFileSync(join(dir, "x"), "utf8")).toBe("one");
    expect(readdirSync(dir)).toEqual(["x"]);
  },
);

test.for(writers)(
  "%s replaces an existing file, also with eight writes at the same time",
  async ([, write], { folder }) => {
    const path = join(folder, "x");
    writeFileSync(path, "a longer text than the new one");
    await Promise.all(Array.from({ length: 8 }, () => write(path, Buffer.from("é"))));
    expect(readFileSync(path)).toEqual(Buffer.from([0xc3, 0xa9]));
    expect(readdirSync(dirname(path))).toEqual(["x"]);
  },
);

test.for(writers)("%s reports a folder that has the name of the file", async ([, write], { folder }) => {
  const path = folder;
  await expect(write(path, Buffer.alloc(0))).rejects.toThrow(`Cannot write ${path} (EISDIR: a folder has this name)`);
});

test.for(writers)("%s reports a folder that cannot be written", async ([, write], { folder }) => {
  const file = join(folder, "file");
  writeFileSync(file, "");
  await expect(write(join(file, "x"), Buffer.alloc(0))).rejects.toThrow(
    expect.objectContaining({
      code: "ERR_NOT_WRITABLE",
      message: expect.stringMatching(/^Cannot write .*file.x \(E/),
    }),
  );
});

test("writeFileAtomically joins its chunks while the event loop turns", async ({ folder }) => {
  const path = join(folder, "x");
  let turns = 0;
  const counter = setInterval(() => turns++, 0);
  await writeFileAtomically(path, [Buffer.alloc(50_000_000, "1"), Buffer.alloc(0), Buffer.from("two")]);
  clearInterval(counter);
  expect(turns).toBeGreaterThan(0);
  expect(readFileSync(path).subarray(-6).toString()).toBe("111two");
});

test("appendToFile appends to a file that it makes", ({ folder }) => {
  const path = join(folder, "x");
  appendToFile(path, "one ");
  appendToFile(path, Buffer.from("two"));
  expect(readFileSync(path, "utf8")).toBe("one two");
});

test.skipIf(noFull)("appendToFile reports a full disk, and a file that cannot be written", ({ folder }) => {
  const path = join(folder, "x");
  symlinkSync("/dev/full", path);
  expect(() => appendToFile(path, "a row")).toThrow(
    expect.objectContaining({
      code: "ERR_DISK_FULL",
      message: expect.stringContaining(`${path} needs 5 bytes, but `),
    }),
  );
  expect(() => appendToFile(join(path, "y"), "a row")).toThrow(expect.objectContaining({ code: "ERR_NOT_WRITABLE" }));
});
