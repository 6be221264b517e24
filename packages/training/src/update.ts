/** The update of a step, the same on every worker: means of the sums, then SGD with momentum. */
import { type Parameters, tf } from "@lockstep/engine";
import type { BatchGradient, Update } from "./contribution.ts";
import type { RegularizerGradients } from "./slice/regularizers.ts";

/** The hyperparameters of one update by SGD. */
export interface SgdStep {
  learningRate: number;
  momentum: number;
  /** λ of the L2 penalty λ/2·w², which adds λ·w to the gradient. */
  weightDecay: number;
}

/**
 * Applies g = Σ gradients / samples + λw (+ regularizers); v = μv + g; w = w − lr·v, as torch.optim.SGD does.
 * Each gradient is computed, used and disposed of before the next, so only one is in memory. The caller keeps `update`.
 */
export function applyUpdate(
  parameters: Parameters,
  update: Update,
  { learningRate, momentum, weightDecay }: SgdStep,
  regularizerGradients: RegularizerGradients = new Map(),
): void {
  for (const [index, sums] of update.gradients.entries()) {
    const gradient = tf.tidy(() => {
      let mean = meanGradient(sums, update.samples);
      if (weightDecay > 0) mean = mean.add(parameters.weight(index).mul(weightDecay));
      const penalty = regularizerGradients.get(index);
      return penalty === undefined ? mean : mean.add(penalty);
    });
    parameters.apply(index, gradient, { learningRate, momentum });
    gradient.dispose();
  }
}

/** Returns the mean gradient. For each form there is one line that divides by the samples of the global batch. */
function meanGradient(gradient: BatchGradient, samples: number): tf.Tensor {
  switch (gradient.form) {
    case "dense":
      return gradient.sum.div(samples);
    case "factored":
      return factoredMean(gradient.input, gradient.delta, samples);
    case "mean":
      return gradient.mean.clone(); // already divided
  }
}

/** Returns inputᵀ · delta / samples, [in, out]. */
export function factoredMean(input: tf.Tensor2D, delta: tf.Tensor2D, samples: number): tf.Tensor2D {
  return tf.tidy(() => tf.matMul(input, delta.div(samples), true, false));
}
