/** Makes folders. */
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { pathKind } from "./path-kind.ts";

/**
 * Makes a folder and those above it. Node's own recursive way never ends where a folder can't be made in one that
 * exists, such as /proc.
 *
 * @throws the error of the file system for the folder that can't be made
 */
export function makeFolders(path: string, mode?: number): void {
  if (pathKind(path) === "folder") return;
  const parent = dirname(path);
  if (parent !== path) makeFolders(parent, mode);
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    if (pathKind(path) !== "folder") throw error; // else another process was quicker
  }
}
