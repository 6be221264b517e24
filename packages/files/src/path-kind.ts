/** Tells files from folders. */
import { statSync } from "node:fs";
import { isSystemError } from "./system-error.ts";

/** Returns what this user sees at a path. Links are followed; a path that cannot be read counts as nothing. */
export function pathKind(path: string): "nothing" | "file" | "folder" {
  try {
    return statSync(path).isDirectory() ? "folder" : "file";
  } catch (error) {
    if (!isSystemError(error)) throw error;
    return "nothing";
  }
}
