/** Turns the state of a run into the columns of its charts. Their x is the number of updates made. */
import type { RunSnapshot, StepHistory } from "@lockstep/run/live";

/** The values of a curve; null where it has no point. */
export type Column = (number | null)[];

/** x, and a y for each curve; there is at least one. */
export type Table = [number[], Column, ...Column[]];

/** A smoothed curve forgets what is further back than this part of what is shown. */
const SMOOTHING_FRACTION = 1 / 100;
const MAX_SMOOTHING_SPAN = 20;

/** Updates made at the end of each bucket. */
const updatesOf = ({ first, steps }: StepHistory): number[] => first.map((step, i) => step + steps[i]!);

/** Per step: smoothed, mean, least, greatest. */
export function lossTable({ history }: RunSnapshot): Table {
  const mean = ratio(history.lossSum, history.samples);
  return [updatesOf(history), smoothed(mean), mean, history.lossMin, history.lossMax];
}

/** Per step: smoothed, mean. */
export function accuracyTable({ history }: RunSnapshot): Table {
  const mean = ratio(history.correct, history.samples);
  return [updatesOf(history), smoothed(mean), mean];
}

/** Per epoch: training, validation. */
export function epochTable({ epochs }: RunSnapshot, what: "Loss" | "Accuracy"): Table {
  return [
    epochs.map(({ step }) => step),
    epochs.map((row) => row[`train${what}`]),
    epochs.map((row) => row[`eval${what}`] ?? null),
  ];
}

/** Images a second: of all, then of each of the workers; null where it had none. */
export function speedTable({ history }: RunSnapshot, workers: readonly string[]): Table {
  const perSecond = (samples: number[]) => samples.map((value, i) => (1000 * value) / history.stepMs[i]!);
  const perWorker = workers.map((name) =>
    perSecond(history.workers.find((worker) => worker.name === name)?.samples ?? []).map((value) =>
      value === 0 ? null : value,
    ),
  );
  return [updatesOf(history), smoothed(perSecond(history.samples)), ...perWorker.map(smoothed)];
}

const ratio = (sums: number[], counts: number[]): number[] => sums.map((sum, i) => sum / counts[i]!);

/** A running mean that forgets; where there is nothing, it waits. */
export function smoothed(values: readonly (number | null)[]): Column {
  const span = Math.min(Math.max(5, values.length * SMOOTHING_FRACTION), MAX_SMOOTHING_SPAN);
  const keep = 1 - 1 / span;
  let [sum, weight] = [0, 0];
  return values.map((value) => {
    if (value === null) return null;
    [sum, weight] = [keep * sum + value, keep * weight + 1]; // the first values weigh as much as they are worth
    return sum / weight;
  });
}
