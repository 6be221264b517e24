/**
 * What a worker computes for a slice of the global batch: sums over the slice's samples, never means. Sums of slices
 * add up to the sum of the batch, and whoever applies the update divides once, by the samples of the whole batch.
 */
import { tf } from "@lockstep/engine";

/**
 * The gradient of one weight tensor, summed over samples.
 *
 * Of a fully connected layer it is exactly inputᵀ · delta, so its two factors can stand for it: rows × (in + out)
 * numbers instead of in × out. Factors of several slices are concatenated, not added.
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

/** Sums over the samples of a slice, besides its gradients. */
export interface SliceSums {
  samples: number;
  lossSum: number;
  correct: number;
}

/** Owns its tensors: whoever receives a contribution disposes of it. */
export interface Contribution extends SliceSums {
  /** One for each weight, in the model's order. */
  gradients: Gradient[];
}

/** What an update is made of: the contribution of the whole batch. Owns its tensors. */
export interface Update extends SliceSums {
  gradients: BatchGradient[];
}

/** The mean is what `factoredMean` makes of the factors, [in, out], where someone had the time to compute it before. */
export type BatchGradient = Gradient | { form: "mean"; mean: tf.Tensor2D };

/** The sum of contributions, in the order given: the same slices give the same bits. Takes over their tensors. */
export function sumContributions(contributions: readonly Contribution[]): Contribution {
  const first = contributions[0]!;
  if (contributions.length === 1) return first;
  const total: Contribution = {
    samples: sum(contributions.map(({ samples }) => samples)),
    lossSum: sum(contributions.map(({ lossSum }) => lossSum)),
    correct: sum(contributions.map(({ correct }) => correct)),
    gradients: first.gradients.map((_, index) => sumGradients(contributions.map(({ gradients }) => gradients[index]!))),
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
