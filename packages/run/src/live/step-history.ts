/**
 * All steps of a run in bounded memory: sums over buckets of consecutive steps. When there are too many buckets, each
 * pair is merged. The buckets hold sums, not means, so that every figure computed from them is exact.
 */
import { at } from "@lockstep/errors";
import type { StepRow } from "../folder/metrics.ts";

/** Maximum number of buckets: enough for a curve on a wide screen. */
export const MAX_BUCKETS = 2048;

/** Maximum number of workers with their own curve; any number may join over time. */
const MAX_WORKERS = 32;

const SUMS = ["steps", "samples", "lossSum", "correct", "stepMs", "bytesUp", "bytesDown", "workerSteps"] as const;
type Sum = (typeof SUMS)[number];

/** Columns with one entry per bucket. It is plain data, because it is also sent to the page. */
export interface StepHistory extends Record<Sum, number[]> {
  /** The first step of each bucket. */
  first: number[];
  /** Steps in a full bucket; only the last bucket may be partly full. */
  stride: number;
  lossMin: number[];
  lossMax: number[];
  /** Samples of each of the first workers, 0 in buckets where it had none. A list, since a name may be any text. */
  workers: { name: string; samples: number[] }[];
}

/** Returns the history of a run without steps. */
export function emptyHistory(): StepHistory {
  const sums = Object.fromEntries(SUMS.map((sum) => [sum, [] as number[]])) as Record<Sum, number[]>;
  return { stride: 1, first: [], ...sums, lossMin: [], lossMax: [], workers: [] };
}

/** Adds the next step of the run. */
export function addStep(history: StepHistory, row: StepRow): void {
  const { first, steps, stride } = history;
  const last = first.length - 1;
  if (last < 0 || at(steps, last) >= stride) {
    if (first.length === MAX_BUCKETS) {
      mergePairs(history);
      addStep(history, row);
      return;
    }
    pushBucket(history, row.step);
  }
  const bucket = first.length - 1;
  const { workers = [] } = row;
  const added: Record<Sum, number> = {
    steps: 1,
    samples: row.samples,
    lossSum: row.loss * row.samples,
    correct: row.correct,
    stepMs: row.ms.step,
    bytesUp: workers.reduce((total, { bytesUp }) => total + bytesUp, 0),
    bytesDown: workers.reduce((total, { bytesDown }) => total + bytesDown, 0),
    workerSteps: workers.length,
  };
  for (const sum of SUMS) addTo(history[sum], bucket, added[sum]);
  history.lossMin[bucket] = Math.min(at(history.lossMin, bucket), row.loss);
  history.lossMax[bucket] = Math.max(at(history.lossMax, bucket), row.loss);
  for (const { name, samples } of workers) {
    const column = columnOf(history, name);
    if (column !== undefined) addTo(column, bucket, samples);
  }
}

function addTo(column: number[], bucket: number, value: number): void {
  column[bucket] = at(column, bucket) + value;
}

function columnOf({ workers, first }: StepHistory, name: string): number[] | undefined {
  const known = workers.find((worker) => worker.name === name);
  if (known !== undefined || workers.length >= MAX_WORKERS) return known?.samples;
  const samples = first.map(() => 0);
  workers.push({ name, samples });
  return samples;
}

/** Returns the columns that hold sums. */
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
    for (let i = 0; i < half; i++) column[i] = merge(at(column, 2 * i), at(column, 2 * i + 1));
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
