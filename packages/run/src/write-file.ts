import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { LockstepError } from "@lockstep/errors";

/**
 * Writes a file so that its name only ever stands for a whole one: into `<path>.tmp`, flushed to the disk, renamed.
 * Missing folders are made. The chunks are written one after the other, as they are; none is copied.
 *
 * @throws LockstepError ERR_DISK_FULL or ERR_NOT_WRITABLE; a file that stood there before is then untouched
 */
export function writeFileAtomically(path: string, chunks: readonly Uint8Array[]): void {
  const temporary = `${path}.tmp`;
  try {
    makeFolders(dirname(path));
    writeFlushed(temporary, chunks);
    renameSync(temporary, path);
    flushFolder(dirname(path));
  } catch (error) {
    if (existsSync(temporary)) rmSync(temporary);
    throw explainWriteError(path, chunks, error);
  }
}

/**
 * Makes a folder and those above it. Node's own recursive way never ends where a folder can't be made in one that
 * exists, such as /proc.
 */
export function makeFolders(path: string): void {
  if (isFolder(path)) return;
  makeFolders(dirname(path));
  try {
    mkdirSync(path);
  } catch (error) {
    if (!isFolder(path)) throw error; // else another process was quicker
  }
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

/** Like `writeFileAtomically`, for text in UTF-8. */
export function writeTextAtomically(path: string, text: string): void {
  writeFileAtomically(path, [Buffer.from(text)]);
}

function writeFlushed(path: string, chunks: readonly Uint8Array[]): void {
  const file = openSync(path, "w");
  try {
    for (const chunk of chunks) {
      // One call may write only a part: Linux stops at 2 GiB.
      for (let done = 0; done < chunk.length; ) done += writeSync(file, chunk, done);
    }
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** Makes a rename survive a power cut. Windows can't open folders, and doesn't need to. */
function flushFolder(path: string): void {
  if (process.platform === "win32") return;
  const folder = openSync(path, "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

function explainWriteError(path: string, chunks: readonly Uint8Array[], cause: unknown): unknown {
  const { code, message } = cause as NodeJS.ErrnoException;
  if (code === "ENOSPC" || code === "EDQUOT") {
    const needed = megabytes(chunks.reduce((bytes, chunk) => bytes + chunk.length, 0));
    const { bavail, bsize } = statfsSync(dirname(path));
    const text = `Disk full: ${path} needs ${needed}, ${megabytes(bavail * bsize)} are free there.`;
    return new LockstepError("ERR_DISK_FULL", `${text} Free some space or choose another folder with --out.`, {
      cause,
    });
  }
  if (code === undefined) return cause;
  const text = `Cannot write ${path} (${message}). Check that its folder is one that you may write to`;
  return new LockstepError("ERR_NOT_WRITABLE", `${text}, or choose another with --out.`, { cause });
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
