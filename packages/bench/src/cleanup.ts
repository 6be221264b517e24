/** Cleans up after a bench, however it ends. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onStopSignals, statusOf } from "@lockstep/run";

/** Collects what to do at the end of a bench. */
export interface Cleanup {
  /**
   * Adds a callback for the end. The last one added runs first. It must not throw, and must tolerate a second cleanup.
   */
  add(end: () => void): void;
}

/** Runs `work`, then cleans up: on success, on failure, and on a stop signal. */
export async function withCleanup<Result>(work: (cleanup: Cleanup) => Promise<Result>): Promise<Result> {
  const ends: (() => void)[] = [];
  const cleanUp = () => {
    for (let end = ends.pop(); end !== undefined; end = ends.pop()) end();
  };
  const unwatch = onStopSignals((signal) => {
    cleanUp();
    process.exit(statusOf(signal));
  });
  try {
    return await work({ add: (end) => ends.push(end) });
  } finally {
    cleanUp();
    unwatch();
  }
}

/** Creates a temporary folder, which is removed at the end or by `remove`. */
export function temporaryDir(cleanup: Cleanup): { dir: string; remove: () => void } {
  const dir = mkdtempSync(join(tmpdir(), "lockstep-bench-"));
  const remove = () => rmSync(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  cleanup.add(remove);
  return { dir, remove };
}
