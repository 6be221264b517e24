/** Compares two trainings of one configuration: the loss of each step, and every weight. */
import { LockstepError } from "@lockstep/errors";
import type { TrainedRun } from "./trained-run.ts";

/**
 * Tolerance with free slices, where sums round differently: of losses relative to max(1, loss), of weights in L2 norm.
 */
const TOLERANCE = 1e-4;

/** The difference between two runs. */
export interface Comparison {
  /** Number of weights whose bits differ. */
  unequal: number;
  /** Relative L2 distance of all weights. */
  distance: number;
  /** Whether both runs have the same number of losses, and each is within the tolerance. */
  lossesFit: boolean;
}

/** Compares a run of several workers with a run of one worker. Both have weights of the same names. */
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
 * Returns the line that states how far the runs agree.
 *
 * @param freeSlices whether to tolerate rounding; otherwise the weights must be equal to the bit
 * @throws LockstepError ERR_VERIFY if they differ
 */
export function verdictOf({ unequal, distance, lossesFit }: Comparison, freeSlices: boolean): string {
  const isEqual = freeSlices ? lossesFit && distance <= TOLERANCE : unequal === 0;
  const found = `${unequal} weights differ, relative L2 distance ${distance.toExponential(1)}`;
  if (!isEqual) {
    const text = `Expected the result of one worker, got another: ${found}. Please report this with the command.`;
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
