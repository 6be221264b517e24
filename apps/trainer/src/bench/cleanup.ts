/** What a bench leaves behind, however it ends: nothing. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { INTERRUPTED } from "@lockstep/run";

export interface Cleanup {
  /** Called at the end, the last added first. It must not throw, and must not mind that there is nothing left to do. */
  add(end: () => void): void;
}

/** Does the work, then cleans up: when it is done, when it fails, and on Ctrl-C. */
export async function withCleanup<Result>(work: (cleanup: Cleanup) => Promise<Result>): Promise<Result> {
  const ends: (() => void)[] = [];
  const cleanUp = () => {
    for (let end = ends.pop(); end !== undefined; end = ends.pop()) end();
  };
  const onSignal = () => {
    cleanUp();
    process.exit(INTERRUPTED);
  };
  process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
  try {
    return await work({ add: (end) => ends.push(end) });
  } finally {
    cleanUp();
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  }
}

/** A new folder that is removed at the end, or before with `remove`. */
export function temporaryDir(cleanup: Cleanup): { dir: string; remove: () => void } {
  const dir = mkdtempSync(join(tmpdir(), "lockstep-bench-"));
  const remove = () => rmSync(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  cleanup.add(remove);
  return { dir, remove };
}
