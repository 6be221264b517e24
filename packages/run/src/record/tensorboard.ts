/** Writes a run for TensorBoard: the scalars of each row of metrics, and their time. */
import { type ScalarEvent, startEventFile } from "@lockstep/formats";
import type { MetricsRow } from "../folder/metrics.ts";

/** Adds the scalars of a row, so that TensorBoard shows them while the run goes on. */
export type AppendEvents = (row: MetricsRow) => void;

/**
 * Starts the event file of a run in `dir`, with `rows` in it: those that a resumed run keeps. It takes the place of
 * earlier ones there, so each step stands once. A row's time is `startedAt` plus the time that its steps took.
 */
export function startEvents(dir: string, startedAt: Date, rows: readonly MetricsRow[] = []): AppendEvents {
  const eventOf = eventsFrom(startedAt.getTime());
  const append = startEventFile(dir, startedAt, rows.map(eventOf));
  return (row) => append(eventOf(row));
}

/** Returns a function that must see all rows in their order, because it adds up the time of their steps. */
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
