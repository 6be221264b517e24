/** Fills a real disk, which is mounted for the test, and checks that the old file survives. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { mountSmallDisk } from "@lockstep/testing";
import { expect, test } from "vitest";
import { writeFileAtomically, writeSmallFile } from "./atomic-write.ts";

const writers = [
  ["writeFileAtomically", (path: string, content: Uint8Array) => writeFileAtomically(path, [content])],
  ["writeSmallFile", async (path: string, content: Uint8Array) => writeSmallFile(path, content)],
] as const;

test.for(writers)(
  "%s reports a full disk with the bytes needed and keeps the old file (needs Linux and the right to mount)",
  async ([, write], { skip, onTestFinished }) => {
    const disk = mountSmallDisk(1_000_000);
    if (disk === undefined) return skip("mounting is not allowed here");
    onTestFinished(disk.unmount);
    const path = join(disk.dir, "x");
    writeFileSync(path, "old");
    await expect(write(path, new Uint8Array(1_500_000))).rejects.toThrow(
      expect.objectContaining({
        code: "ERR_DISK_FULL",
        message: expect.stringMatching(
          /^Disk full: .*x needs 1\.5 MB, but only [\d.]+ MB is free\. Free some space \(/,
        ),
      }),
    );
    expect(readFileSync(path, "utf8")).toBe("old");
    expect(readdirSync(disk.dir)).toEqual(["x"]);
  },
);
