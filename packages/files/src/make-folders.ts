/** Makes folders. */
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { pathKind } from "./path-kind.ts";

/**
 * Makes a folder and its missing parents. Node 20's own recursive `mkdirSync` never returns if an existing parent takes
 * no folders, as /proc does.
 *
 * @throws the file system's error for the folder that cannot be made
 */
export function makeFolders(path: string, mode?: number): void {
  if (pathKind(path) === "folder") return;
  const parent = dirname(path);
  if (parent !== path) makeFolders(parent, mode);
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    if (pathKind(path) !== "folder") throw error; // otherwise another process has just made it
  }
}
