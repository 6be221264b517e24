/** The error that ends a run becomes an event of the run. */
import type { LiveRun } from "./live/live-run.ts";

/**
 * Does a run's work. If it fails, the run's pages and its list of events say with what.
 *
 * @throws the error of the work
 */
export async function withFailureEvent<Result>(live: LiveRun, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    live.event(error instanceof Error ? error.message : String(error), "failed");
    throw error;
  }
}
