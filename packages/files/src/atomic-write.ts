/** Writes files atomically (under a temporary name, flushed, then renamed), and appends lines to files. */
import {
  appendFileSync,
  closeSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  writeFileSync,
} from "node:fs";
import { open, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { ignoreFileErrors, removeIfPossible } from "./best-effort.ts";
import { explainWriteError } from "./explain-write-error.ts";
import { makeFolders } from "./make-folders.ts";
import { temporaryName } from "./temporary-name.ts";

/**
 * Writes a file atomically: into a temporary file (`.tmp`), which is flushed to the disk and then renamed. Makes
 * missing folders. The event loop keeps turning meanwhile. The chunks are written in order without being copied, so
 * none may change before the promise settles.
 *
 * @param check receives the path of the temporary file before the rename; if it rejects, nothing is written
 * @throws LockstepError ERR_DISK_FULL or ERR_NOT_WRITABLE, and the errors of `check`; an existing file then stays as it
 *   was
 */
export async function writeFileAtomically(
  path: string,
  chunks: readonly Uint8Array[],
  check?: (temporary: string) => Promise<void>,
): Promise<void> {
  const temporary = temporaryName(path);
  try {
    makeFolders(dirname(path));
    await writeFlushed(temporary, chunks);
    await check?.(temporary);
    await rename(temporary, path);
    await flushFolder(dirname(path));
  } catch (error) {
    removeIfPossible(temporary);
    const bytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    throw explainWriteError(path, bytes, error);
  }
}

/** Writes a small file atomically and synchronously; otherwise like `writeFileAtomically`. */
export function writeSmallFile(path: string, content: string | Uint8Array): void {
  const temporary = temporaryName(path);
  try {
    makeFolders(dirname(path));
    writeFileSync(temporary, content, { flush: true });
    renameSync(temporary, path);
    flushFolderNow(dirname(path));
  } catch (error) {
    removeIfPossible(temporary);
    throw explainWriteError(path, Buffer.byteLength(content), error);
  }
}

/**
 * Appends to a file. The appended bytes survive a kill of this process, but not a power failure.
 *
 * @throws LockstepError ERR_DISK_FULL, after which some of the bytes may have been appended, or ERR_NOT_WRITABLE
 */
export function appendToFile(path: string, content: string | Uint8Array): void {
  try {
    appendFileSync(path, content);
  } catch (error) {
    throw explainWriteError(path, Buffer.byteLength(content), error);
  }
}

/**
 * Appends a line to a file of lines. If a kill or a full disk left the last line incomplete, removes that line first;
 * otherwise the new line would continue it and both would be lost.
 *
 * @throws LockstepError ERR_DISK_FULL or ERR_NOT_WRITABLE
 */
export function appendLine(path: string, line: string): void {
  ignoreFileErrors(() => removeIncompleteLine(path));
  appendToFile(path, `${line}\n`);
}

function removeIncompleteLine(path: string): void {
  const file = openSync(path, "r+");
  try {
    const { size } = fstatSync(file);
    const last = Buffer.alloc(1);
    if (size === 0 || (readSync(file, last, { position: size - 1 }) === 1 && last.toString() === "\n")) return;
    ftruncateSync(file, readFileSync(file).lastIndexOf("\n") + 1);
  } finally {
    closeSync(file);
  }
}

async function writeFlushed(path: string, chunks: readonly Uint8Array[]): Promise<void> {
  const file = await open(path, "w");
  try {
    for (const chunk of chunks) {
      // Each write takes a whole chunk: a thread pool writes it, and this thread can pass on the next write only
      // between two training steps. A write may still be partial: Linux stops at 2 GiB.
      for (let done = 0; done < chunk.length; ) done += (await file.write(chunk, done)).bytesWritten;
    }
    await file.sync();
  } finally {
    await file.close();
  }
}

/**
 * Flushes a folder, so that a rename in it survives a power failure. Windows cannot open folders and needs no flush.
 */
async function flushFolder(path: string): Promise<void> {
  if (process.platform === "win32") return;
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function flushFolderNow(path: string): void {
  if (process.platform === "win32") return;
  const folder = openSync(path, "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
