/** Names of files that are still being written. */
import { randomBytes } from "node:crypto";

/** Returns the name under which a file is written before it is renamed to `path`. Every call returns another name. */
export function temporaryName(path: string): string {
  return `${path}.${randomBytes(6).toString("hex")}.tmp`;
}

/** Returns whether a name was made by `temporaryName`. */
export function isTemporaryName(name: string): boolean {
  return /\.[0-9a-f]{12}\.tmp$/.test(name);
}
