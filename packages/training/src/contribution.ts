/**
 * A worker's contribution for a slice of the global batch: sums over the slice's samples, never means. Sums of slices
 * add up to the sum of the batch, and the update divides once, by the samples of the global batch.
 */

import { tf } from "@lockstep/engine";
import { at } from "@lockstep/errors";
import { TreeSum } from "@lockstep/gradient-sync";

/**
 * The gradient of one weight tensor, summed over samples.
 *
 * For a fully connected layer it is exactly inputᵀ · delta, so its two factors can represent it: rows × (in + out)
 * elements instead of in × out. Factors of several slices are concatenated, not added.
 * Source: "sufficient factors" in Xie et al., "Distributed machine learning via sufficient factor broadcasting", 2015.
 */
export type Gradient =
  | { form: "dense"; sum: tf.Tensor }
  | {
      form: "factored";
      /** [rows, in] */
      input: tf.Tensor2D;
      /** [rows, out] */
      delta: tf.Tensor2D;
    };

/** Sums over the samples of a slice, without its gradients. */
export interface SliceSums {
  samples: number;
  lossSum: number;
  correct: number;
}

/** The sums of a slice. The receiver of a contribution owns its tensors and disposes of them. */
export interface Contribution extends SliceSums {
  /** The gradient of each weight, in the model's order. */
  gradients: Gradient[];
}

/** The sums of the global batch, from which the update is computed. The receiver owns its tensors. */
export interface Update extends SliceSums {
  gradients: BatchGradient[];
}

/** A gradient of the global batch; `mean`, [in, out], is a precomputed `factoredMean` of the factors. */
export type BatchGradient = Gradient | { form: "mean"; mean: tf.Tensor2D };

/** Returns the sum of the contributions of all slices, in slice order. Takes ownership of their tensors. */
export function sumContributions(contributions: readonly Contribution[]): Contribution {
  const sum = new TreeSum(addContributions);
  for (const contribution of contributions) sum.add(contribution);
  return sum.total();
}

/** Returns left + right. Takes ownership of their tensors. */
export function addContributions(left: Contribution, right: Contribution): Contribution {
  return {
    samples: left.samples + right.samples,
    lossSum: left.lossSum + right.lossSum,
    correct: left.correct + right.correct,
    gradients: left.gradients.map((gradient, index) => addGradients(gradient, at(right.gradients, index))),
  };
}

/**
 * Returns left + right; factors are stacked, with the rows of `left` first. Takes ownership of their tensors.
 *
 * @throws Error if their forms differ
 */
export function addGradients(left: Gradient, right: Gradient): Gradient {
  const sum = plus(left, right);
  disposeGradients([left, right]);
  return sum;
}

// A backward pass, during which gradients may be added, disposes of all its tensors that are not kept.
function plus(left: Gradient, right: Gradient): Gradient {
  if (left.form === "dense" && right.form === "dense") {
    return { form: "dense", sum: tf.keep(tf.add(left.sum, right.sum)) };
  }
  if (left.form === "factored" && right.form === "factored") {
    const input = tf.keep(tf.concat2d([left.input, right.input], 0));
    return { form: "factored", input, delta: tf.keep(tf.concat2d([left.delta, right.delta], 0)) };
  }
  throw new Error("Expected one form of a gradient in all slices, got both.");
}

/** Disposes of the tensors of a contribution. */
export function disposeContribution({ gradients }: Update): void {
  disposeGradients(gradients);
}

function disposeGradients(gradients: readonly BatchGradient[]): void {
  tf.dispose(gradients.map(({ form: _, ...tensors }) => tensors));
}
