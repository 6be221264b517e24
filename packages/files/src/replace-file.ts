/** Replaces a file as Git does: only one process at a time can create `<file>.new`, which is then renamed. */
import { closeSync, fsyncSync, openSync, renameSync, writeSync } from "node:fs";
import { removeIfPossible } from "./best-effort.ts";
import { explainWriteError } from "./explain-write-error.ts";
import { readIfPresent } from "./rewrite-file.ts";
import { hasCode } from "./system-error.ts";

/** Returns the path of the file that exists while a process replaces `path`. */
export const replacementFile = (path: string): string => `${path}.new`;

/**
 * Replaces the file atomically if it still has the content `found` (undefined: the file does not exist).
 *
 * @returns false if another process is replacing the file, or has done so
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
    if (hasCode(error, "ENOENT")) return false; // another process took this one for dead and removed the file
    removeIfPossible(replacement);
    throw explainWriteError(path, content.length, error);
  }
}

/** Creates and opens a file; returns undefined if it exists. */
function createExclusively(path: string, bytes: number): number | undefined {
  try {
    return openSync(path, "wx");
  } catch (error) {
    if (hasCode(error, "EEXIST")) return undefined;
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
