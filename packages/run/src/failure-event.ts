/** Records the error that ends a run as an event. */
import { messageOf } from "@lockstep/errors";
import type { LiveRun } from "./live/live-run.ts";

/**
 * Runs the work of a run. Records its error, if it throws one, as the event "failed".
 *
 * @throws the error of the work
 */
export async function withFailureEvent<Result>(live: LiveRun, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    live.event(messageOf(error), "failed");
    throw error;
  }
}
