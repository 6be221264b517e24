/** The progress of a run: the sums of the current epoch, and the best validation. */
import { LockstepError } from "@lockstep/errors";
import { z } from "zod";
import type { Schedule } from "../schedule/schedule.ts";
import type { EpochRow, MetricsRow } from "./metrics.ts";

/** Schema of the progress in a checkpoint. */
export const progressSchema = z.strictObject({
  /** Sums over the samples of the unfinished epoch. */
  lossSum: z.number(),
  correct: z.int(),
  samples: z.int(),
  /** Number of updates made when the last epoch ended and was validated. */
  endedSteps: z.int(),
  /** The best validation so far: the number of updates before it, and its accuracy as a fraction. */
  best: z.strictObject({ step: z.int(), accuracy: z.number() }).optional(),
});

/** The sums of the current epoch and the best validation, from which a resumed run continues. */
export type CheckpointProgress = z.infer<typeof progressSchema>;
/** The step and the accuracy of the best validation. */
export type Best = NonNullable<CheckpointProgress["best"]>;

type Epochs = Pick<Schedule, "steps" | "stepsPerEpoch">;

const NO_SUMS = { lossSum: 0, correct: 0, samples: 0 };
/** The progress of a run that has made no update. */
export const START: CheckpointProgress = { ...NO_SUMS, endedSteps: 0 };

/** Returns the progress after one more row. Rows that are read back from the file give the same progress. */
export function advance(progress: CheckpointProgress, row: MetricsRow, { stepsPerEpoch }: Epochs): CheckpointProgress {
  const { lossSum, correct, samples } = progress;
  switch (row.type) {
    case "step":
      return {
        ...progress,
        lossSum: lossSum + row.loss * row.samples,
        correct: correct + row.correct,
        samples: samples + row.samples,
      };
    case "epoch": {
      // Keep the sums of an epoch that --max-steps cut short: a resume may complete it.
      const sums = row.step % stepsPerEpoch === 0 ? NO_SUMS : { lossSum, correct, samples };
      return { ...sums, endedSteps: row.step, best: betterOf(progress.best, row) };
    }
    case "test":
      return progress;
  }
}

/** Returns whether a row survives a resume after `step` updates: later rows are computed and written again. */
export function survivesResume(
  row: MetricsRow,
  { step, endedSteps }: { step: number; endedSteps: number },
  { steps, stepsPerEpoch }: Epochs,
): boolean {
  if (row.type === "step") return row.step < step;
  if (row.type === "test") return false;
  // The row of an epoch that --max-steps cut short is rewritten if the resumed run completes that epoch.
  return row.step <= endedSteps && (row.step % stepsPerEpoch === 0 || step === steps);
}

/**
 * Computes the progress after `step` updates from the rows of metrics.jsonl. A run needs it to continue from a state
 * that the workers hold, but no checkpoint.
 *
 * @param saved the validation of the best checkpoint on disk. A better validation without a checkpoint does not count,
 *   since its weights are gone, unless it took place after exactly `step` updates.
 * @throws LockstepError ERR_METRICS if the row of a step is missing
 */
export function progressAt(
  rows: readonly MetricsRow[],
  step: number,
  epochs: Epochs,
  saved: Best | undefined,
): CheckpointProgress {
  const standing = rows.filter((row) => survivesResume(row, { step, endedSteps: step }, epochs));
  assertEachStep(standing, step);
  const progress = standing.reduce((sums, row) => advance(sums, row, epochs), START);
  const last = standing.at(-1);
  return { ...progress, best: last?.type === "epoch" && last.step === step ? betterOf(saved, last) : saved };
}

function assertEachStep(rows: readonly MetricsRow[], step: number): void {
  const found = rows.flatMap((row) => (row.type === "step" ? row.step : []));
  const missing = Array.from({ length: step }, (_, i) => i).find((i) => found[i] !== i);
  if (missing === undefined) return;
  const text = `Expected metrics.jsonl to hold steps 0 to ${step - 1} in order, but step ${missing} is missing or out of order`;
  throw new LockstepError("ERR_METRICS", `${text}. Continue from the last checkpoint.`);
}

function betterOf(best: Best | undefined, { step, evalAccuracy }: EpochRow): Best | undefined {
  return evalAccuracy !== undefined && evalAccuracy > (best?.accuracy ?? -1) ? { step, accuracy: evalAccuracy } : best;
}
