/** Explains why a file could not be written, with a remedy. */
import { statfsSync } from "node:fs";
import { dirname } from "node:path";
import { LockstepError } from "@lockstep/errors";
import { isDiskFull } from "./disk-fault.ts";
import { pathKind } from "./path-kind.ts";

/** Converts a file system error into a LockstepError with a remedy; returns other errors unchanged. */
export function explainWriteError(path: string, bytes: number, cause: unknown): unknown {
  const fault = cause as NodeJS.ErrnoException;
  if (fault.errno === undefined) return cause;
  if (isDiskFull(fault)) {
    const { bavail, bsize } = statfsSync(existingFolder(dirname(path)));
    const text = `Disk full: ${path} needs ${sizeOf(bytes)}, ${sizeOf(bavail * bsize)} are free there.`;
    const remedy = "Free some space (a training goes on with --resume), or choose another folder with --out.";
    return new LockstepError("ERR_DISK_FULL", `${text} ${remedy}`, { cause });
  }
  const text = `Cannot write ${path} (${writeFault(fault)}). Check that its folder is one that you may write to`;
  return new LockstepError("ERR_NOT_WRITABLE", `${text}, or choose another with --out.`, { cause });
}

/** An error of the file system in words, where a file stands in the place of a folder or the other way round. */
export function writeFault({ code, path, message }: NodeJS.ErrnoException): string {
  if (code === "EISDIR") return `${code}: a folder of this name is there`;
  const file = path !== undefined && /^(EEXIST|ENOTDIR)$/.test(code ?? "") ? fileIn(path) : undefined;
  return file === undefined ? message : `${code}: ${file} is a file, not a folder`;
}

/** The file that a path leads through. */
function fileIn(path: string): string | undefined {
  const kind = pathKind(path);
  if (kind !== "nothing") return kind === "file" ? path : undefined;
  return dirname(path) === path ? undefined : fileIn(dirname(path));
}

function existingFolder(path: string): string {
  return pathKind(path) === "folder" ? path : existingFolder(dirname(path));
}

function sizeOf(bytes: number): string {
  return bytes < 1e5 ? `${bytes} bytes` : `${(bytes / 1e6).toFixed(1)} MB`;
}
