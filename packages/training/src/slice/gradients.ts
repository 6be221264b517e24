/** Computes the gradients of a slice: forward pass, backward pass, sums. */

import type { Batch } from "@lockstep/dataset";
import { tf } from "@lockstep/engine";
import { at, defined } from "@lockstep/errors";
import { addContributions, type Contribution, type Gradient, type SliceSums } from "../contribution.ts";
import type { OnGradient, Replica } from "../replica.ts";
import type { StepClock } from "../step-clock.ts";
import { correctSum, crossEntropySum, readScalars } from "./loss.ts";

/** Options of `computeGradients`. */
export interface GradientOptions {
  seed: number;
  step: number;
  /** A slice with more rows is computed in several passes, which bounds the memory of activations. */
  maxRows?: number | undefined;
  clock: StepClock;
}

/** Returns the sums of the gradients, the loss and the correct predictions over the samples of `batch`. */
export async function computeGradients(
  replica: Replica,
  batch: Batch,
  options: GradientOptions,
): Promise<Contribution> {
  return collectGradients((onGradient) => streamGradients(replica, batch, options, onGradient));
}

/**
 * Computes the same as `computeGradients`, but passes each gradient to `onGradient`, which takes ownership: as soon as
 * the backward pass yields it, if the batch is computed in one pass.
 */
export async function streamGradients(
  replica: Replica,
  batch: Batch,
  options: GradientOptions,
  onGradient: OnGradient,
): Promise<SliceSums> {
  const rowsPerPass = Math.min(options.maxRows ?? batch.samples, batch.samples);
  if (rowsPerPass === batch.samples) return gradientsOfRows(replica, batch, [0, batch.samples], options, onGradient);
  let total: Contribution | undefined;
  for (let row = 0; row < batch.samples; row += rowsPerPass) {
    const rows: [number, number] = [row, Math.min(row + rowsPerPass, batch.samples)];
    const part = await collectGradients((keep) => gradientsOfRows(replica, batch, rows, options, keep));
    total = total === undefined ? part : addContributions(total, part); // within a slice from left to right
  }
  const { gradients, ...sums } = defined(total, "a pass");
  for (const [index, gradient] of gradients.entries()) onGradient(index, gradient);
  return sums;
}

async function collectGradients(stream: (onGradient: OnGradient) => Promise<SliceSums>): Promise<Contribution> {
  const gradients: Gradient[] = [];
  const sums = await stream((index, gradient) => {
    gradients[index] = gradient;
  });
  return { ...sums, gradients };
}

async function gradientsOfRows(
  replica: Replica,
  batch: Batch,
  [start, end]: [number, number],
  { seed, step, clock }: GradientOptions,
  onGradient: OnGradient,
): Promise<SliceSums> {
  const { images, labels } = tensorsOf(batch, start, end);
  const sampleIds = batch.sampleIds.subarray(start, end);
  let correct: tf.Scalar | undefined;
  try {
    const { value: loss, grads } = tf.valueAndGrads(() => {
      const logits = replica.forward(images, { seed, step, sampleIds }, onGradient); // [rows, classes]
      correct = tf.keep(correctSum(logits, labels));
      const sum = crossEntropySum(logits, labels);
      clock.lap("forward");
      return sum;
    })(replica.denseWeights());
    tf.dispose(grads); // the taps have reported each of them already
    const scalars = await readScalars([loss as tf.Scalar, defined(correct, "the count of correct predictions")]);
    clock.lap("backward");
    return { samples: end - start, lossSum: at(scalars, 0), correct: at(scalars, 1) };
  } finally {
    tf.dispose([images, labels, ...(correct ? [correct] : [])]); // also if `onGradient` throws
  }
}

/**
 * Makes the images [rows, height, width, channels] and labels [rows] of rows of a batch. The caller disposes of them.
 */
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
