/** The path that an export writes to. */
import { join } from "node:path";
import { pathKind } from "@lockstep/files";

/**
 * The file that an export writes.
 *
 * @param out the file, or a folder to write it into; a path that ends in a slash is one
 * @param dir folder of the run, for where `out` was not given
 * @param name of the file in a folder
 */
export function outputFile(out: string | undefined, dir: string, name: string): string {
  if (out === undefined) return join(dir, "export", name);
  return /[/\\]$/.test(out) || pathKind(out) === "folder" ? join(out, name) : out;
}
