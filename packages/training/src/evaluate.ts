/** Evaluates a replica, without gradients and with dropout off. */

import type { Batch } from "@lockstep/dataset";
import { readBack, tf } from "@lockstep/engine";
import { at } from "@lockstep/errors";
import { addEvaluation, type Evaluation, emptyEvaluation } from "@lockstep/run";
import { type Batches, evaluationRanges } from "./batches.ts";
import type { Replica } from "./replica.ts";
import { tensorsOf } from "./slice/gradients.ts";
import { crossEntropySum } from "./slice/loss.ts";

/** Returns the loss sum, the confusion matrix and the predictions of a batch, with one read-back. */
export async function evaluateBatch(replica: Replica, batch: Batch): Promise<Evaluation & { predictions: number[] }> {
  const { classes, packed } = tf.tidy(() => {
    const { images, labels } = tensorsOf(batch);
    const logits = replica.predict(images); // [rows, classes]
    const predictions = logits.argMax(1).toFloat(); // [rows]
    return { classes: logits.shape[1], packed: tf.concat([predictions, crossEntropySum(logits, labels).reshape([1])]) };
  });
  const values = await readBack(packed);
  packed.dispose();
  const evaluation = emptyEvaluation(classes);
  evaluation.samples = batch.samples;
  evaluation.lossSum = at(values, batch.samples);
  for (let row = 0; row < batch.samples; row++) {
    const counts = at(evaluation.confusion, at(batch.labels, row));
    const prediction = at(values, row);
    counts[prediction] = at(counts, prediction) + 1;
  }
  return { ...evaluation, predictions: [...values.subarray(0, batch.samples)] };
}

/** The split of the data set to evaluate, and how to divide it into batches. */
export interface EvaluationPlan {
  split: "validation" | "test";
  samples: number;
  /** Samples of a batch. */
  rows: number;
  classes: number;
  signal: AbortSignal;
}

/** Evaluates all samples of a split. Returns undefined if the signal aborts before the end. */
export async function evaluateAll(
  replica: Replica,
  batches: Pick<Batches, "next">,
  plan: EvaluationPlan,
): Promise<Evaluation | undefined> {
  const total = emptyEvaluation(plan.classes);
  const predictions: number[] = [];
  for (const range of evaluationRanges(plan.samples, plan.rows)) {
    if (plan.signal.aborted) return undefined;
    const evaluation = await evaluateBatch(replica, await batches.next({ split: plan.split, epoch: 0, ...range }));
    addEvaluation(total, evaluation);
    predictions.push(...evaluation.predictions);
  }
  return { ...total, predictions };
}
