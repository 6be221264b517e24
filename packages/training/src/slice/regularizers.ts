/** The penalties that a model's own layers put on their weights (kernelRegularizer and the like). */
import { tf } from "@lockstep/engine";
import type { Replica } from "../replica.ts";

/** Gradient of the penalties by weight index. The receiver disposes of them. */
export type RegularizerGradients = Map<number, tf.Tensor>;

/**
 * The gradients of all penalties at the current weights. They belong to the weights, not to samples, so the update
 * adds them once, however many slices the batch has. The reported loss is without them.
 */
export function regularizerGradients({ model, parameters, penalisedLayers }: Replica): RegularizerGradients {
  if (penalisedLayers.length === 0) return new Map();
  const owned = new Set(penalisedLayers.flatMap((layer) => layer.weights));
  const indexes = model.weights.flatMap((weight, index) => (owned.has(weight) ? [index] : []));
  const weights = indexes.map((index) => parameters.weight(index));
  const gradients = tf.grads(() => {
    const penalties = penalisedLayers.flatMap((layer) => layer.calculateLosses());
    // A weight without a penalty of its own (a bias, say) still needs a path to the result: zero times its sum.
    return tf.addN([...penalties, ...weights.map((weight) => weight.sum().mul(0))]);
  })(weights);
  return new Map(indexes.map((index, position) => [index, gradients[position]!]));
}
