/** The sums of an evaluation, which add up over shards of a data set. */
import { at } from "@lockstep/errors";

/** The result of an evaluation as sums over samples, so that the results of shards can be added exactly. */
export interface Evaluation {
  samples: number;
  lossSum: number;
  /** confusion[label][prediction], in samples. */
  confusion: number[][];
  /** Predicted class of each sample, in the order of the split; absent if not requested. */
  predictions?: number[] | undefined;
}

/** Returns the evaluation of no samples. */
export function emptyEvaluation(classes: number): Evaluation {
  const confusion = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  return { samples: 0, lossSum: 0, confusion };
}

/** Adds the sums of a shard to `total`, in place. */
export function addEvaluation(total: Evaluation, shard: Evaluation): void {
  total.samples += shard.samples;
  total.lossSum += shard.lossSum;
  for (const [label, row] of shard.confusion.entries()) {
    const sums = at(total.confusion, label);
    for (const [prediction, count] of row.entries()) sums[prediction] = at(sums, prediction) + count;
  }
}

/** Returns the number of correctly predicted samples: the trace of the confusion matrix. */
export function correctOf({ confusion }: Evaluation): number {
  return confusion.reduce((total, row, label) => total + at(row, label), 0);
}
