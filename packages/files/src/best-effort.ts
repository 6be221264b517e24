/** File operations whose failure is ignored. */
import { rmSync } from "node:fs";

/** Removes a file if the disk still allows it: the error of the write before is the one to report. */
export function removeIfPossible(path: string): void {
  ignoreFileErrors(() => rmSync(path, { force: true }));
}

/** Runs `attempt` and ignores file system errors. */
export function ignoreFileErrors(attempt: () => void): void {
  try {
    attempt();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).errno === undefined) throw error;
  }
}
