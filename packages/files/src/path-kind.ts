/** Tells files from folders. */
import { statSync } from "node:fs";

/** Returns what stands at a path, as far as this user can see; links are followed. */
export function pathKind(path: string): "nothing" | "file" | "folder" {
  try {
    return statSync(path).isDirectory() ? "folder" : "file";
  } catch (error) {
    if ((error as NodeJS.ErrnoException).errno === undefined) throw error;
    return "nothing";
  }
}
