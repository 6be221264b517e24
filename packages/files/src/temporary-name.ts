import { randomBytes } from "node:crypto";

/** A name beside a file for what is to take its place. No other process has the same. */
export function temporaryName(path: string): string {
  return `${path}.${randomBytes(6).toString("hex")}.tmp`;
}
