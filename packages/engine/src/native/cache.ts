/**
 * The per-user cache of downloads and builds that take long: libtensorflow and the addon compiled against it.
 * Entries are created atomically, even under crashes and concurrent processes.
 */

import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { messageOf } from "@lockstep/errors";
import { makeFolders, userFolder } from "@lockstep/files";
import { awaitLease, type Lease } from "@lockstep/files/lease";
import { Unavailable } from "../backend/unavailable.ts";

/** Returns the cache folder: `LOCKSTEP_CACHE`, else `lockstep` in the user's cache folder. */
export function cacheDir(): string {
  const inHome = () => userFolder({ variable: "XDG_CACHE_HOME", name: ".cache", instead: "LOCKSTEP_CACHE" });
  return resolve(process.env["LOCKSTEP_CACHE"] || inHome());
}

/**
 * Calls `build` unless the folder `dir` exists.
 *
 * `build` fills an empty temporary folder, which is renamed to `dir` once it is complete. One process builds at a time;
 * the others wait for it, and build only if it fails.
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

/** Infix of the name of a folder that is still being built. */
const PART_SUFFIX = ".part-";

/** Waits until no other process builds the folder, on this machine or on another that shares the cache. */
async function acquireLease(dir: string, log: (line: string) => void): Promise<Lease> {
  try {
    makeFolders(dirname(dir));
    return await awaitLease(`${dir}.lease`, dir, `installing ${dir}`, log);
  } catch (error) {
    throw new Unavailable(
      "ERR_CACHE",
      `The cache folder ${dirname(dir)} is not writable: ${messageOf(error)}.`,
      "Set LOCKSTEP_CACHE to another folder.",
      { cause: error },
    );
  }
}

/**
 * Renames the temporary folder. If a suspended machine lost its lease, the first to finish wins; the copies are equal.
 */
function moveIntoPlace(temporaryDir: string, dir: string): void {
  try {
    renameSync(temporaryDir, dir);
  } catch (error) {
    if (!existsSync(dir)) throw error;
  }
}

/** Removes the folders of builders that were killed; none of them is alive, since this process holds the lease. */
function removeLeftovers(dir: string): void {
  for (const name of readdirSync(dirname(dir))) {
    if (!name.startsWith(`${basename(dir)}${PART_SUFFIX}`)) continue;
    // Retry: pip may outlive its builder for a moment.
    rmSync(join(dirname(dir), name), { recursive: true, force: true, maxRetries: 5 });
  }
}
