/** Says in words why a folder cannot be made. */
import { mkdtempSync, rmdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { messageOf } from "@lockstep/errors";
import { isDiskFull } from "./disk-fault.ts";
import { existingFolder, fileIn } from "./explain-write-error.ts";
import { isSystemError } from "./system-error.ts";

/** Finds out whether a folder can be made, or written to if it exists. Leaves nothing. @returns why not, as a clause */
export function whyNoFolder(path: string): string | undefined {
  const folder = resolve(path);
  if (fileIn(folder) !== undefined) return folderFault(folder);
  try {
    rmdirSync(mkdtempSync(join(existingFolder(folder), ".lockstep-")));
    return undefined;
  } catch (fault) {
    return folderFault(folder, fault);
  }
}

/** Returns why a folder could not be made, as a clause such as "you may not write in /srv". */
export function folderFault(path: string, fault?: unknown): string {
  const folder = resolve(path);
  const file = fileIn(folder);
  if (file !== undefined) return `${file} is a file, not a folder`;
  if (!isSystemError(fault)) return messageOf(fault);
  if (isDiskFull(fault)) return "the disk is full";
  const parent = existingFolder(folder);
  switch (fault.code) {
    case "EACCES":
    case "EPERM":
      return `you may not write in ${parent}`;
    case "EROFS":
      return `${parent} is on a read-only file system`;
    case "ENOENT":
      return `${parent} takes no new folders`;
    case "ENAMETOOLONG":
      return "its name is too long";
    default:
      return messageOf(fault);
  }
}
