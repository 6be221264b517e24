/** Where a run goes on. */

import type { Schedule } from "../schedule/schedule.ts";
import { savedBest } from "./checkpoint.ts";
import { readMetrics } from "./metrics.ts";
import { type CheckpointProgress, progressAt, START } from "./progress.ts";
import type { RunFolder } from "./run-folder.ts";

/** What a run goes on from; every checkpoint is one. */
export interface ResumePoint {
  /** Updates made. */
  step: number;
  progress: CheckpointProgress;
}

/** The point from which a run begins again that was ended before its first checkpoint. */
export const atStart: ResumePoint = { step: 0, progress: START };

/**
 * For going on from a step later than the last checkpoint: its weights and momentum are with the workers, and what else
 * there is to know follows from the rows.
 *
 * @throws LockstepError ERR_METRICS if the row of a step is missing or damaged; the last checkpoint is there still
 */
export function resumePointAt(folder: RunFolder, step: number, schedule: Schedule): ResumePoint {
  return { step, progress: progressAt(readMetrics(folder.metrics), step, schedule, savedBest(folder.checkpoints)) };
}
