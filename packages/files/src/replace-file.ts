/** Replaces a file as Git does: `<file>.new` is made, which only one process can do at a time, and gets its name. */
import { closeSync, fsyncSync, openSync, renameSync, writeSync } from "node:fs";
import { removeIfPossible } from "./best-effort.ts";
import { explainWriteError } from "./explain-write-error.ts";
import { readIfPresent } from "./rewrite-file.ts";

/** The file that stands beside `path` while a process replaces it. */
export const replacementFile = (path: string): string => `${path}.new`;

/**
 * Replaces the file if it still holds `found` (undefined: there is none), whole or not at all.
 *
 * @returns false if another process replaces it now, or has done so
 * @throws LockstepError ERR_DISK_FULL or ERR_NOT_WRITABLE
 */
export function replaceFile(path: string, found: string | undefined, content: string): boolean {
  const replacement = replacementFile(path);
  const file = createExclusively(replacement, content.length);
  if (file === undefined) return false;
  try {
    writeFlushed(file, content);
    if (readIfPresent(path) === found) renameSync(replacement, path);
    else removeIfPossible(replacement);
    return readIfPresent(path) === content;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false; // it took so long that others removed it
    removeIfPossible(replacement);
    throw explainWriteError(path, content.length, error);
  }
}

/** Makes a file that only one process can make at a time; returns undefined if it is there. */
function createExclusively(path: string, bytes: number): number | undefined {
  try {
    return openSync(path, "wx");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return undefined;
    throw explainWriteError(path, bytes, error);
  }
}

function writeFlushed(file: number, content: string): void {
  try {
    writeSync(file, content);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
