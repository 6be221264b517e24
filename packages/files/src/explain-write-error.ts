/** Explains why a file could not be written, with a remedy. */
import { statfsSync } from "node:fs";
import { dirname } from "node:path";
import { LockstepError, messageOf } from "@lockstep/errors";
import { isDiskFull } from "./disk-fault.ts";
import { pathKind } from "./path-kind.ts";
import { isSystemError } from "./system-error.ts";

/** Converts a file system error into a LockstepError with a remedy; returns other errors unchanged. */
export function explainWriteError(path: string, bytes: number, cause: unknown): unknown {
  if (!isSystemError(cause)) return cause;
  if (isDiskFull(cause)) {
    const { bavail, bsize } = statfsSync(existingFolder(dirname(path)));
    const text = `Disk full: ${path} needs ${formatBytes(bytes)}, but only ${formatBytes(bavail * bsize)} is free.`;
    const remedy = "Free some space (a run continues with --resume), or choose another folder with --out.";
    return new LockstepError("ERR_DISK_FULL", `${text} ${remedy}`, { cause });
  }
  const text = `Cannot write ${path} (${writeFault(cause)}). Check that you may write to its folder`;
  return new LockstepError("ERR_NOT_WRITABLE", `${text}, or choose another with --out.`, { cause });
}

/**
 * Describes a file system error. Says so in words if a file is in the place of a folder, or a folder in that of a file.
 */
export function writeFault(fault: unknown): string {
  if (!isSystemError(fault)) return messageOf(fault);
  const { code, path, message } = fault;
  if (code === "EISDIR") return `${code}: a folder has this name`;
  const file = path !== undefined && /^(EEXIST|ENOTDIR)$/.test(code ?? "") ? fileIn(path) : undefined;
  return file === undefined ? message : `${code}: ${file} is a file, not a folder`;
}

/** Returns the file that a path passes through, as if it were a folder. */
export function fileIn(path: string): string | undefined {
  const kind = pathKind(path);
  if (kind !== "nothing") return kind === "file" ? path : undefined;
  return dirname(path) === path ? undefined : fileIn(dirname(path));
}

/** Returns the innermost folder on a path that exists. */
export function existingFolder(path: string): string {
  return pathKind(path) === "folder" ? path : existingFolder(dirname(path));
}

function formatBytes(bytes: number): string {
  return bytes < 1e5 ? `${bytes} bytes` : `${(bytes / 1e6).toFixed(1)} MB`;
}
