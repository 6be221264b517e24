/** Replaces a file as Git does: `<file>.new` is made, which only one process can do at a time, and gets its name. */
import { closeSync, fsyncSync, openSync, renameSync, writeSync } from "node:fs";
import { removeIfPossible } from "./best-effort.ts";
import { explainWriteError } from "./explain-write-error.ts";
import { readIfThere } from "./rewrite-file.ts";

/** The file that stands beside `path` while a process replaces it. */
export const takingFile = (path: string): string => `${path}.new`;

/**
 * Replaces the file if it still holds `found` (undefined: there is none), whole or not at all.
 *
 * @returns false if another process replaces it now, or has done so
 * @throws LockstepError ERR_DISK_FULL or ERR_NOT_WRITABLE
 */
export function replaceFile(path: string, found: string | undefined, content: string): boolean {
  const taking = takingFile(path);
  const file = makeAlone(taking, content.length);
  if (file === undefined) return false;
  try {
    writeWhole(file, content);
    if (readIfThere(path) === found) renameSync(taking, path);
    else removeIfPossible(taking);
    return readIfThere(path) === content;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false; // it took so long that others removed it
    removeIfPossible(taking);
    throw explainWriteError(path, content.length, error);
  }
}

/** Makes a file that only one process can make at a time; returns undefined if it is there. */
function makeAlone(path: string, bytes: number): number | undefined {
  try {
    return openSync(path, "wx");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return undefined;
    throw explainWriteError(path, bytes, error);
  }
}

function writeWhole(file: number, content: string): void {
  try {
    writeSync(file, content);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
