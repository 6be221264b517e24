import { existsSync, mkdtempSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { writeFileAtomically, writeTextAtomically } from "./write-file.ts";

const folder = () => mkdtempSync(join(tmpdir(), "lockstep-write-"));

describe("writeFileAtomically", () => {
  test("joins the chunks in a file whose folder it makes, and leaves nothing else there", () => {
    const dir = join(folder(), "a/b");
    writeFileAtomically(join(dir, "x"), [Buffer.from("one "), Buffer.alloc(0), Buffer.from("two")]);
    expect(readFileSync(join(dir, "x"), "utf8")).toBe("one two");
    expect(readdirSync(dir)).toEqual(["x"]);
  });

  test("replaces a file that is there, and a temporary one that a kill left behind", () => {
    const path = join(folder(), "x");
    writeFileSync(path, "a longer text than the new one");
    writeFileSync(`${path}.tmp`, "half of a fi");
    writeTextAtomically(path, "é");
    expect(readFileSync(path)).toEqual(Buffer.from([0xc3, 0xa9]));
    expect(existsSync(`${path}.tmp`)).toBe(false);
  });

  // Every write to /dev/full fails with ENOSPC.
  test.skipIf(!existsSync("/dev/full"))("tells a full disk with the bytes needed and keeps the old file", () => {
    const path = join(folder(), "x");
    writeFileSync(path, "old");
    symlinkSync("/dev/full", `${path}.tmp`);
    expect(() => writeFileAtomically(path, [new Uint8Array(1_000_000), new Uint8Array(500_000)])).toThrow(
      expect.objectContaining({
        code: "ERR_DISK_FULL",
        message: expect.stringMatching(/^Disk full: .*x needs 1\.5 MB, [\d.]+ MB are free there\. Free some space or/),
      }),
    );
    expect(readFileSync(path, "utf8")).toBe("old");
    expect(existsSync(`${path}.tmp`)).toBe(false);
  });

  test("tells a folder that can't be written", () => {
    const file = join(folder(), "file");
    writeFileSync(file, "");
    expect(() => writeTextAtomically(join(file, "x"), "")).toThrow(
      expect.objectContaining({
        code: "ERR_NOT_WRITABLE",
        message: expect.stringMatching(/^Cannot write .*file.x \(E/),
      }),
    );
  });
});
