/**
 * The per-user cache of what takes long to fetch or build: libtensorflow and the addon compiled against it.
 * Entries are created atomically, even under crashes and concurrent processes.
 */
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { awaitLease, type Lease, makeFolders, userFolder } from "@lockstep/files";
import { Unavailable } from "../backend/unavailable.ts";

/** `LOCKSTEP_CACHE`, else `lockstep` in the user's cache folder. */
export function cacheDir(): string {
  const inHome = () => userFolder({ variable: "XDG_CACHE_HOME", name: ".cache", instead: "LOCKSTEP_CACHE" });
  return resolve(process.env["LOCKSTEP_CACHE"] || inHome());
}

/**
 * Makes sure that the folder `dir` exists, and calls `build` if it does not.
 *
 * `build` fills an empty folder beside it, which gets its name only when it is complete. One process builds at a
 * time; the others wait for it, and build only if it failed.
 *
 * @throws Unavailable ERR_CACHE, or what `build` throws
 */
export async function buildOnce(
  dir: string,
  log: (line: string) => void,
  build: (emptyDir: string) => Promise<void>,
): Promise<string> {
  if (existsSync(dir)) return dir;
  const lease = await acquireLease(dir, log);
  const temporaryDir = `${dir}${PART_SUFFIX}${randomBytes(6).toString("hex")}`;
  try {
    removeLeftovers(dir);
    if (existsSync(dir)) return dir;
    mkdirSync(temporaryDir);
    await build(temporaryDir);
    moveIntoPlace(temporaryDir, dir);
    return dir;
  } finally {
    rmSync(temporaryDir, { recursive: true, force: true });
    lease.release();
  }
}

/** Suffix of a folder that is still being built. */
const PART_SUFFIX = ".part-";

/** Waits until no other process builds the folder, on this machine or on another one that shares the cache. */
async function acquireLease(dir: string, log: (line: string) => void): Promise<Lease> {
  try {
    makeFolders(dirname(dir));
    return await awaitLease(`${dir}.lease`, dir, `installing ${dir}`, log);
  } catch (error) {
    throw new Unavailable(
      "ERR_CACHE",
      `The cache folder ${dirname(dir)} cannot be written: ${(error as Error).message}.`,
      "Name another one in LOCKSTEP_CACHE.",
      { cause: error },
    );
  }
}

/** A machine that was suspended may have lost its lease: the first to finish wins, and the copies are equal. */
function moveIntoPlace(temporaryDir: string, dir: string): void {
  try {
    renameSync(temporaryDir, dir);
  } catch (error) {
    if (!existsSync(dir)) throw error;
  }
}

/** Removes what builders left when they were killed: none of them lives, for this process has the lease. */
function removeLeftovers(dir: string): void {
  for (const name of readdirSync(dirname(dir))) {
    if (!name.startsWith(`${basename(dir)}${PART_SUFFIX}`)) continue;
    rmSync(join(dirname(dir), name), { recursive: true, force: true, maxRetries: 5 }); // its pip may still write
  }
}
