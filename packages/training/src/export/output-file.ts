/** Decides the path of an export. */
import { join } from "node:path";
import { pathKind } from "@lockstep/files";

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
