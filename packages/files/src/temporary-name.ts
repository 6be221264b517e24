/** Names of files that are still being written. */
import { randomBytes } from "node:crypto";

/** Returns a name beside a file for the one that will replace it. No other process gets the same name. */
export function temporaryName(path: string): string {
  return `${path}.${randomBytes(6).toString("hex")}.tmp`;
}

/** Tells whether a name is one that `temporaryName` has made. */
export function isTemporaryName(name: string): boolean {
  return /\.[0-9a-f]{12}\.tmp$/.test(name);
}
