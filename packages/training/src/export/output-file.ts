/** Decides the path of an export. */
import { dirname, join } from "node:path";
import { LockstepError } from "@lockstep/errors";
import { pathKind, whyNoFolder } from "@lockstep/files";

/**
 * Returns the path of the file that an export writes.
 *
 * @param out the file, or a folder for it; a path that ends in a slash is a folder
 * @param dir folder of the run, used if `out` is undefined
 * @param name name of the file in a folder
 */
export function outputFile(out: string | undefined, dir: string, name: string): string {
  if (out === undefined) return join(dir, "export", name);
  return /[/\\]$/.test(out) || pathKind(out) === "folder" ? join(out, name) : out;
}

/**
 * Finds out early whether the folder of an export can be written to. Leaves nothing.
 *
 * @param path the file or folder that the export makes
 * @throws LockstepError ERR_NOT_WRITABLE
 */
export function assertCanExport(path: string): void {
  const folder = dirname(path);
  const reason = whyNoFolder(folder);
  if (reason === undefined) return;
  throw new LockstepError("ERR_NOT_WRITABLE", `Cannot write to ${folder}: ${reason}. Choose another path with --out.`);
}
