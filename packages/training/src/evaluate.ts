/** Evaluation without gradients: sums over samples, so that shards of a data set add up exactly. */
import type { Batch } from "@lockstep/dataset";
import { readBack, tf } from "@lockstep/engine";
import { tensorsOf } from "./gradients.ts";
import { crossEntropySum } from "./loss.ts";
import type { Replica } from "./replica.ts";

export interface Evaluation {
  samples: number;
  lossSum: number;
  /** confusion[label][prediction], in samples. */
  confusion: number[][];
}

/** Loss and predictions of the samples of a batch, with dropout off. */
export async function evaluateBatch(replica: Replica, batch: Batch): Promise<Evaluation> {
  const result = tf.tidy(() => {
    const { images, labels } = tensorsOf(batch);
    const logits = replica.predict(images); // [rows, classes]
    const rows = logits.argMax(1).toFloat();
    return { classes: logits.shape[1], packed: tf.concat([rows, crossEntropySum(logits, labels).reshape([1])]) };
  });
  const values = await readBack(result.packed);
  result.packed.dispose();
  const confusion = emptyConfusion(result.classes);
  for (let row = 0; row < batch.samples; row++) confusion[batch.labels[row]!]![values[row]!]!++;
  return { samples: batch.samples, lossSum: values[batch.samples]!, confusion };
}

export function sumEvaluations(evaluations: readonly Evaluation[], classes: number): Evaluation {
  const total: Evaluation = { samples: 0, lossSum: 0, confusion: emptyConfusion(classes) };
  for (const { samples, lossSum, confusion } of evaluations) {
    total.samples += samples;
    total.lossSum += lossSum;
    for (const [label, row] of confusion.entries()) {
      for (const [prediction, count] of row.entries()) total.confusion[label]![prediction]! += count;
    }
  }
  return total;
}

/** Samples on the diagonal. */
export function correctOf({ confusion }: Evaluation): number {
  return confusion.reduce((total, row, label) => total + row[label]!, 0);
}

function emptyConfusion(classes: number): number[][] {
  return Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
}
