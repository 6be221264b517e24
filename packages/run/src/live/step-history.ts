/**
 * All steps of a run in bounded room: sums over buckets of neighbouring steps. When there are too many buckets, each two
 * become one. Sums, and not means, so that every figure made of them is exact for its bucket.
 */
import type { StepRow } from "../folder/metrics.ts";

/** Enough for a curve on a wide screen. */
export const MAX_BUCKETS = 2048;

/** Workers with a curve of their own; others may come and go without end. */
const MAX_WORKERS = 32;

const SUMS = ["steps", "samples", "lossSum", "correct", "stepMs", "bytesUp", "bytesDown", "workerSteps"] as const;
type Sum = (typeof SUMS)[number];

/** Columns with an entry a bucket; plain data, as it also travels to the page. */
export interface StepHistory extends Record<Sum, number[]> {
  /** The first step of each bucket. */
  first: number[];
  /** Steps of a full bucket; only the last one may be filling. */
  stride: number;
  lossMin: number[];
  lossMax: number[];
  /** Samples of each of the first workers, 0 where it had none. In a list, since a worker's name may be any text. */
  workers: { name: string; samples: number[] }[];
}

/** Returns the history of a run without steps. */
export function emptyHistory(): StepHistory {
  const sums = Object.fromEntries(SUMS.map((sum) => [sum, [] as number[]])) as Record<Sum, number[]>;
  return { stride: 1, first: [], ...sums, lossMin: [], lossMax: [], workers: [] };
}

/** Adds a step, which follows on those before. */
export function addStep(history: StepHistory, row: StepRow): void {
  const { first, steps, stride } = history;
  const last = first.length - 1;
  if (last < 0 || steps[last]! >= stride) {
    if (first.length === MAX_BUCKETS) {
      mergePairs(history);
      addStep(history, row);
      return;
    }
    pushBucket(history, row.step);
  }
  const at = first.length - 1;
  const { workers = [] } = row;
  const added: Record<Sum, number> = {
    ...{ steps: 1, samples: row.samples, lossSum: row.loss * row.samples, correct: row.correct, stepMs: row.ms.step },
    bytesUp: workers.reduce((total, { bytesUp }) => total + bytesUp, 0),
    bytesDown: workers.reduce((total, { bytesDown }) => total + bytesDown, 0),
    workerSteps: workers.length,
  };
  for (const sum of SUMS) history[sum][at]! += added[sum];
  history.lossMin[at] = Math.min(history.lossMin[at]!, row.loss);
  history.lossMax[at] = Math.max(history.lossMax[at]!, row.loss);
  for (const { name, samples } of workers) {
    const column = columnOf(history, name);
    if (column !== undefined) column[at]! += samples;
  }
}

function columnOf({ workers, first }: StepHistory, name: string): number[] | undefined {
  const known = workers.find((worker) => worker.name === name);
  if (known !== undefined || workers.length >= MAX_WORKERS) return known?.samples;
  const samples = first.map(() => 0);
  workers.push({ name, samples });
  return samples;
}

/** All that is added up. */
const columnsOf = (history: StepHistory): number[][] => [
  ...SUMS.map((sum) => history[sum]),
  ...history.workers.map(({ samples }) => samples),
];

function pushBucket(history: StepHistory, step: number): void {
  history.first.push(step);
  for (const column of columnsOf(history)) column.push(0);
  history.lossMin.push(Number.MAX_VALUE);
  history.lossMax.push(-Number.MAX_VALUE);
}

function mergePairs(history: StepHistory): void {
  const pairs = (column: number[], merge: (a: number, b: number) => number) => {
    const half = column.length / 2;
    for (let i = 0; i < half; i++) column[i] = merge(column[2 * i]!, column[2 * i + 1]!);
    column.length = half;
  };
  pairs(history.first, (a) => a);
  for (const column of columnsOf(history)) {
    pairs(column, (a, b) => a + b);
  }
  pairs(history.lossMin, Math.min);
  pairs(history.lossMax, Math.max);
  history.stride *= 2;
}
