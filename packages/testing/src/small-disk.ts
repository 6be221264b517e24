/** For tests: a disk of its own, in memory, that fills up as real ones do. Needs Linux and root. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmdirSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A disk in memory, mounted for a test. */
export interface SmallDisk {
  dir: string;
  /** Fills it up, but for about `freeBytes`. */
  fill(freeBytes: number): void;
  /** Undoes `fill`. */
  clear(): void;
  /** No file in it may be open for writing then. */
  setWritable(writable: boolean): void;
  unmount(): void;
}

/** @returns undefined where mounting is not allowed */
export function mountSmallDisk(bytes: number): SmallDisk | undefined {
  const dir = mkdtempSync(join(tmpdir(), "lockstep-disk-"));
  const ballast = join(dir, "ballast");
  const mount = (...options: string[]) => spawnSync("mount", [...options, dir]).status === 0;
  if (!mount("-t", "tmpfs", "-o", `size=${bytes}`, "lockstep-test")) {
    rmdirSync(dir);
    return undefined;
  }
  return {
    dir,
    fill: (freeBytes) => {
      const { bavail, bsize } = statfsSync(dir);
      try {
        writeFileSync(ballast, Buffer.alloc(Math.max(0, bavail * bsize - freeBytes)));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error; // else someone else wrote: it is full, too
      }
    },
    clear: () => rmSync(ballast),
    setWritable: (writable) => {
      if (!mount("-o", `remount,${writable ? "rw" : "ro"}`)) throw new Error(`${dir} could not be mounted again.`);
    },
    unmount: () => {
      spawnSync("umount", ["--lazy", dir]);
      rmdirSync(dir);
    },
  };
}
