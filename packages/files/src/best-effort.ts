/** File operations whose failure is ignored. */
import { rmSync } from "node:fs";
import { isSystemError } from "./system-error.ts";

/** Removes a file if the disk still allows it. Use it after a failed write, whose error is the one to report. */
export function removeIfPossible(path: string): void {
  ignoreFileErrors(() => rmSync(path, { force: true }));
}

/** Runs `attempt` and ignores file system errors. */
export function ignoreFileErrors(attempt: () => void): void {
  try {
    attempt();
  } catch (error) {
    if (!isSystemError(error)) throw error;
  }
}
