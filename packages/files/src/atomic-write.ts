/** Files that are whole or absent: written under a temporary name, flushed, then renamed; and files that grow by lines. */
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
 * Writes a file so that its name only ever stands for a whole one: into a temporary one (`.tmp`), flushed to the disk,
 * renamed. Missing folders are made. The event loop goes on meanwhile. The chunks are written one after the other, as
 * they are: none is copied, so none may change before the promise settles.
 *
 * @param check sees the path of the temporary file before that is renamed; if it rejects, nothing is written
 * @throws LockstepError ERR_DISK_FULL or ERR_NOT_WRITABLE, and what `check` does; a file that stood there before is then
 *   untouched
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

/** Like `writeFileAtomically`, but done when it returns: for what is small. */
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
 * Adds to the end of a file. What was added outlives this process, though not a power cut.
 *
 * @throws LockstepError ERR_DISK_FULL, when a part may have been added, or ERR_NOT_WRITABLE
 */
export function appendToFile(path: string, content: string | Uint8Array): void {
  try {
    appendFileSync(path, content);
  } catch (error) {
    throw explainWriteError(path, Buffer.byteLength(content), error);
  }
}

/**
 * Adds a line to a file of lines. What a kill or a full disk has left of the line before, which has no end, is taken off
 * first: else this line would continue it, and both would be lost.
 *
 * @throws LockstepError as `appendToFile` does
 */
export function appendLine(path: string, line: string): void {
  ignoreFileErrors(() => endAfterLastLine(path));
  appendToFile(path, `${line}\n`);
}

function endAfterLastLine(path: string): void {
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
      // The chunk in one go: another thread writes it, and hears of the next only between two steps of a training on
      // this one. A call may still write only a part: Linux stops at 2 GiB.
      for (let done = 0; done < chunk.length; ) done += (await file.write(chunk, done)).bytesWritten;
    }
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Makes a rename survive a power cut. Windows can't open folders, and doesn't need to. */
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
