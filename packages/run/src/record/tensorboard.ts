/** Writes an event file for TensorBoard: the scalars of each row of metrics, with their times. */
import { type ScalarEvent, startEventFile } from "@lockstep/formats";
import type { MetricsRow } from "../folder/metrics.ts";

/** Appends the scalars of a row, which TensorBoard then shows while the run continues. */
export type AppendEvents = (row: MetricsRow) => void;

/**
 * Starts the event file of a run in `dir`. It replaces earlier event files there, so that no step appears twice.
 *
 * @param startedAt the time of step 0; the time of a row is `startedAt` plus the duration of all steps up to it
 * @param rows the earlier rows that a resumed run keeps. @default none
 */
export function startEvents(dir: string, startedAt: Date, rows: readonly MetricsRow[] = []): AppendEvents {
  const eventOf = eventsFrom(startedAt.getTime());
  const append = startEventFile(dir, startedAt, rows.map(eventOf));
  return (row) => append(eventOf(row));
}

/** Returns a function that expects all rows in order, because it adds up the durations of their steps. */
function eventsFrom(startedAtMs: number): (row: MetricsRow) => ScalarEvent {
  let timeMs = startedAtMs;
  return (row) => {
    if (row.type === "step") timeMs += row.ms.step;
    return { timeMs, step: row.step, scalars: scalarsOf(row) };
  };
}

function scalarsOf(row: MetricsRow): Record<string, number> {
  switch (row.type) {
    case "step": {
      const ms = Object.entries(row.ms).map(([part, value]) => [`ms/${part}`, value]);
      return {
        "train/loss": row.loss,
        "train/accuracy": row.correct / row.samples,
        lr: row.lr,
        ...Object.fromEntries(ms),
      };
    }
    case "epoch": {
      const train = { "train/epoch_loss": row.trainLoss, "train/epoch_accuracy": row.trainAccuracy };
      if (row.evalLoss === undefined || row.evalAccuracy === undefined) return train;
      return { ...train, "eval/loss": row.evalLoss, "eval/accuracy": row.evalAccuracy };
    }
    case "test":
      return { "test/loss": row.loss, "test/accuracy": row.accuracy };
  }
}
