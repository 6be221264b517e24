/** Turns the state of a run into the columns of its charts. The x axis is the number of completed steps. */
import { at } from "@lockstep/errors";
import type { RunSnapshot, StepHistory } from "@lockstep/run/live";

/** The values of a curve. A null leaves a gap. */
export type Column = (number | null)[];

/** The x values, and a column of y values for each curve. */
export type Table = [number[], Column, ...Column[]];

/** Span of the moving average, as a fraction of the points shown. */
const SMOOTHING_FRACTION = 1 / 100;
/** Upper bound of that span, in points. */
const MAX_SMOOTHING_SPAN = 20;

/** Returns the number of completed steps at the end of each bucket. */
const updatesOf = ({ first, steps }: StepHistory): number[] => first.map((step, i) => step + at(steps, i));

/** Returns the loss by step: smoothed, mean, minimum, maximum. */
export function lossTable({ history }: RunSnapshot): Table {
  const mean = ratio(history.lossSum, history.samples);
  return [updatesOf(history), smoothed(mean), mean, history.lossMin, history.lossMax];
}

/** Returns the accuracy by step: smoothed, mean. */
export function accuracyTable({ history }: RunSnapshot): Table {
  const mean = ratio(history.correct, history.samples);
  return [updatesOf(history), smoothed(mean), mean];
}

/** Returns the loss or accuracy by epoch: training, validation. */
export function epochTable({ epochs }: RunSnapshot, what: "Loss" | "Accuracy"): Table {
  return [
    epochs.map(({ step }) => step),
    epochs.map((row) => row[`train${what}`]),
    epochs.map((row) => row[`eval${what}`] ?? null),
  ];
}

/** Returns images per second: the total, then each worker. A step in which a worker had no samples is null. */
export function speedTable({ history }: RunSnapshot, workers: readonly string[]): Table {
  const perSecond = (samples: number[]) => samples.map((value, i) => (1000 * value) / at(history.stepMs, i));
  const perWorker = workers.map((name) =>
    perSecond(history.workers.find((worker) => worker.name === name)?.samples ?? []).map((value) =>
      value === 0 ? null : value,
    ),
  );
  return [updatesOf(history), smoothed(perSecond(history.samples)), ...perWorker.map(smoothed)];
}

const ratio = (sums: number[], counts: number[]): number[] => sums.map((sum, i) => sum / at(counts, i));

/** Returns the exponential moving average of the values. Gaps stay, and do not count. */
export function smoothed(values: readonly (number | null)[]): Column {
  const span = Math.min(Math.max(5, values.length * SMOOTHING_FRACTION), MAX_SMOOTHING_SPAN);
  const keep = 1 - 1 / span;
  let [sum, weight] = [0, 0];
  return values.map((value) => {
    if (value === null) return null;
    [sum, weight] = [keep * sum + value, keep * weight + 1]; // bias correction, so that the first values count in full
    return sum / weight;
  });
}

/**
 * Returns the value of a curve at an index, or that of its last point before it; undefined after the end of its run.
 *
 * @param steps a column with a value at each step of the curve's run
 */
export function valueAt(
  column: ArrayLike<number | null | undefined>,
  steps: ArrayLike<number | null | undefined>,
  index: number | null,
): number | undefined {
  if (index === null || index > lastIndexOf(steps)) return undefined;
  return column[lastIndexOf(column, index)] ?? undefined;
}

/** Returns the index of the last value in a column, at or before an index; -1 if there is none. */
export function lastIndexOf(column: ArrayLike<number | null | undefined>, before: number = column.length - 1): number {
  let index = before;
  while (index >= 0 && column[index] == null) index--;
  return index;
}
