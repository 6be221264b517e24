/** Mounts a small disk in memory, which fills up like a real one. Requires Linux and root. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmdirSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A mounted disk in memory. */
export interface SmallDisk {
  dir: string;
  /** Fills the disk, except for about `freeBytes`. */
  fill(freeBytes: number): void;
  /** Undoes `fill`. */
  clear(): void;
  /** Remounts the disk. No file may be open for writing. */
  setWritable(writable: boolean): void;
  unmount(): void;
}

/** Mounts a disk of `bytes`. @returns undefined if mounting is not permitted */
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
        if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error; // ENOSPC: another process wrote too
      }
    },
    clear: () => rmSync(ballast),
    setWritable: (writable) => {
      if (!mount("-o", `remount,${writable ? "rw" : "ro"}`)) throw new Error(`${dir} could not be remounted.`);
    },
    unmount: () => {
      spawnSync("umount", ["--lazy", dir]);
      rmdirSync(dir);
    },
  };
}
