/** What a bench leaves behind, however it ends: nothing. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onStopSignals, statusOf } from "@lockstep/run";

export interface Cleanup {
  /** Called at the end, the last added first. It must not throw, and must not mind that there is nothing left to do. */
  add(end: () => void): void;
}

/** Does the work, then cleans up: when it is done, when it fails, and when the process is asked to stop. */
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

/** A new folder that is removed at the end, or before with `remove`. */
export function temporaryDir(cleanup: Cleanup): { dir: string; remove: () => void } {
  const dir = mkdtempSync(join(tmpdir(), "lockstep-bench-"));
  const remove = () => rmSync(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  cleanup.add(remove);
  return { dir, remove };
}
