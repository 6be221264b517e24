/** The point from which a run is resumed. */

import type { Schedule } from "../schedule/schedule.ts";
import { savedBest } from "./checkpoint.ts";
import { readMetrics } from "./metrics.ts";
import { type CheckpointProgress, progressAt, START } from "./progress.ts";
import type { RunFolder } from "./run-folder.ts";

/** A step and its progress, from which a run is resumed; every checkpoint is one. */
export interface ResumePoint {
  /** Number of updates made. */
  step: number;
  progress: CheckpointProgress;
}

/** The start, for a run that ended before its first checkpoint. */
export const atStart: ResumePoint = { step: 0, progress: START };

/**
 * Returns the resume point after a step whose weights and momentum only the workers hold. Its progress follows from the
 * rows of metrics.jsonl.
 *
 * @throws LockstepError ERR_METRICS if the row of a step is missing or damaged; the last checkpoint remains
 */
export function resumePointAt(folder: RunFolder, step: number, schedule: Schedule): ResumePoint {
  return { step, progress: progressAt(readMetrics(folder.metrics), step, schedule, savedBest(folder.checkpoints)) };
}
