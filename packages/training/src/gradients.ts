/** The gradients of a slice: forward, backward, sums. */

import type { Batch } from "@lockstep/dataset";
import { tf } from "@lockstep/engine";
import { type Contribution, type Gradient, sumContributions } from "./contribution.ts";
import { correctSum, crossEntropySum, readScalars } from "./loss.ts";
import type { Factors, Replica } from "./replica.ts";
import type { StepClock } from "./step-clock.ts";

export interface GradientOptions {
  seed: number;
  step: number;
  /** A slice with more rows is computed in parts, which bounds the memory of activations. */
  maxRows?: number | undefined;
  clock: StepClock;
}

/** Sums of the gradients, the loss and the correct predictions over the samples of `batch`. */
export async function computeGradients(
  replica: Replica,
  batch: Batch,
  options: GradientOptions,
): Promise<Contribution> {
  const partRows = Math.min(options.maxRows ?? batch.samples, batch.samples);
  const parts: Contribution[] = [];
  for (let row = 0; row < batch.samples; row += partRows) {
    parts.push(await gradientsOfRows(replica, batch, row, Math.min(row + partRows, batch.samples), options));
  }
  return sumContributions(parts);
}

async function gradientsOfRows(
  replica: Replica,
  batch: Batch,
  start: number,
  end: number,
  { seed, step, clock }: GradientOptions,
): Promise<Contribution> {
  const { images, labels } = tensorsOf(batch, start, end);
  const sampleIds = batch.sampleIds.subarray(start, end);
  const factors = new Map<number, Factors>();
  const keepFactors = (kernel: number, { input, delta }: Factors) =>
    factors.set(kernel, { input: tf.keep(input.clone()), delta: tf.keep(delta.clone()) });
  let correct: tf.Scalar | undefined;

  const denseWeights = indexesOfDense(replica).map((index) => replica.parameters.weight(index));
  const { value: loss, grads } = tf.valueAndGrads(() => {
    const logits = replica.forward(images, { seed, step, sampleIds }, keepFactors); // [rows, classes]
    correct = tf.keep(correctSum(logits, labels));
    const sum = crossEntropySum(logits, labels);
    clock.lap("forward");
    return sum;
  })(denseWeights);
  tf.dispose([images, labels]);
  const [lossSum, correctRows] = await readScalars([loss as tf.Scalar, correct!]);
  clock.lap("backward");

  return {
    samples: end - start,
    lossSum: lossSum!,
    correct: correctRows!,
    gradients: inWeightOrder(replica, grads, factors),
  };
}

/** Images [rows, height, width, channels] and labels [rows] of some rows of a batch. The caller disposes of them. */
export function tensorsOf(batch: Batch, start = 0, end = batch.samples): { images: tf.Tensor4D; labels: tf.Tensor1D } {
  const { height, width, channels } = batch;
  const imageSize = height * width * channels;
  return {
    images: tf.tensor4d(batch.images.subarray(start * imageSize, end * imageSize), [
      end - start,
      height,
      width,
      channels,
    ]),
    labels: tf.tensor1d(batch.labels.subarray(start, end), "int32"),
  };
}

function indexesOfDense({ parameters, factoredKernels }: Replica): number[] {
  return Array.from({ length: parameters.length }, (_, index) => index).filter((index) => !factoredKernels.has(index));
}

function inWeightOrder(replica: Replica, dense: tf.Tensor[], factors: Map<number, Factors>): Gradient[] {
  let next = 0;
  return Array.from({ length: replica.parameters.length }, (_, index): Gradient => {
    const pair = factors.get(index);
    return pair === undefined ? { form: "dense", sum: dense[next++]! } : { form: "factored", ...pair };
  });
}
