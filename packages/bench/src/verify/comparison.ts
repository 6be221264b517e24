/** Two trainings of one configuration, compared: losses step by step, and every weight. */
import { LockstepError } from "@lockstep/errors";
import type { TrainedRun } from "./trained-run.ts";

/** With free slices sums round differently: by so much losses, relative to max(1, loss), and weights may differ. */
const TOLERANCE = 1e-4;

/** How far two runs are apart. */
export interface Comparison {
  /** Number of weights whose bits differ. */
  unequal: number;
  /** Relative L2 distance of all weights. */
  distance: number;
  /** Whether there are as many losses, and each is within the tolerance. */
  lossesFit: boolean;
}

/** Compares a run of several workers with one of one worker, which has the same weights by name. */
export function compareRuns(one: TrainedRun, several: TrainedRun): Comparison {
  let squares = 0;
  let norm = 0;
  let unequal = 0;
  for (const [name, { data }] of one.weights) {
    const other = several.weights.get(name)?.data;
    for (const [i, value] of data.entries()) {
      const otherValue = other?.[i] ?? Number.NaN;
      squares += (value - otherValue) ** 2;
      norm += value ** 2;
      if (!Object.is(value, otherValue)) unequal++;
    }
  }
  return { unequal, distance: squares === 0 ? 0 : Math.sqrt(squares / norm), lossesFit: lossesFit(one, several) };
}

function lossesFit(one: TrainedRun, several: TrainedRun): boolean {
  if (one.losses.length !== several.losses.length) return false;
  return one.losses.every((loss, step) => {
    const other = several.losses[step] ?? Number.NaN;
    return Math.abs(loss - other) <= TOLERANCE * Math.max(1, loss);
  });
}

/**
 * Returns the line that says how the runs agree.
 *
 * @param freeSlices whether rounding is allowed for; else all bits of the weights must be equal
 * @throws LockstepError ERR_VERIFY if they do not agree
 */
export function verdictOf({ unequal, distance, lossesFit }: Comparison, freeSlices: boolean): string {
  const isEqual = freeSlices ? lossesFit && distance <= TOLERANCE : unequal === 0;
  const found = `${unequal} weights differ, relative L2 distance ${distance.toExponential(1)}`;
  if (!isEqual) {
    const text = `The workers do not give what one gives: ${found}. Please report this with the command.`;
    throw new LockstepError("ERR_VERIFY", text);
  }
  return unequal === 0 ? "verified: all weights are equal, bit for bit" : `verified within ${TOLERANCE}: ${found}`;
}

/** Returns a table of the losses of both runs, step by step. */
export function lossTable(one: TrainedRun, several: TrainedRun, workers: number): string {
  const rows = one.losses.map((loss, step) => {
    const other = several.losses[step] ?? Number.NaN;
    const difference = Math.abs(loss - other);
    const shown = difference === 0 ? "equal" : difference.toExponential(1);
    return `${String(step).padStart(4)}  ${loss.toFixed(9).padStart(14)}  ${other.toFixed(9).padStart(14)}  ${shown}`;
  });
  return [`step        1 worker  ${`${workers} workers`.padStart(14)}  difference`, ...rows].join("\n");
}
