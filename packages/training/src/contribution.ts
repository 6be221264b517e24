/**
 * A worker's contribution for a slice of the global batch: sums over the slice's samples, never means. Sums of slices add
 * up to the sum of the batch, and the update divides once, by the samples of the global batch.
 */

import { tf } from "@lockstep/engine";
import { at } from "@lockstep/errors";

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

/** Adds contributions in the given order, so the same slices give the same bits. Takes ownership of their tensors. */
export function sumContributions(contributions: readonly Contribution[]): Contribution {
  const first = at(contributions, 0);
  if (contributions.length === 1) return first;
  const total: Contribution = {
    samples: sum(contributions.map(({ samples }) => samples)),
    lossSum: sum(contributions.map(({ lossSum }) => lossSum)),
    correct: sum(contributions.map(({ correct }) => correct)),
    gradients: first.gradients.map((_, index) =>
      sumGradients(contributions.map(({ gradients }) => at(gradients, index))),
    ),
  };
  for (const contribution of contributions) disposeContribution(contribution);
  return total;
}

/** Disposes of the tensors of a contribution. */
export function disposeContribution({ gradients }: Update): void {
  tf.dispose(gradients.map(({ form: _, ...tensors }) => tensors));
}

function sumGradients(gradients: Gradient[]): Gradient {
  const dense = gradients.filter((gradient) => gradient.form === "dense");
  if (dense.length === gradients.length) {
    const sum = tf.tidy(() => dense.map(({ sum }) => sum).reduce((total, next) => tf.add(total, next)));
    return { form: "dense", sum };
  }
  const factored = gradients.filter((gradient) => gradient.form === "factored");
  if (factored.length !== gradients.length) throw new Error("Expected one form of a gradient in all slices, got both.");
  return {
    form: "factored",
    input: tf.concat2d(
      factored.map(({ input }) => input),
      0,
    ),
    delta: tf.concat2d(
      factored.map(({ delta }) => delta),
      0,
    ),
  };
}

const sum = (values: number[]): number => values.reduce((total, value) => total + value, 0);
