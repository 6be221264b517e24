/** The penalties of a model's own regularizers (kernelRegularizer and others). */

import { tf } from "@lockstep/engine";
import { at } from "@lockstep/errors";
import type { Replica } from "../replica.ts";

/** Gradients of the penalties by weight index. The receiver disposes of them. */
export type RegularizerGradients = Map<number, tf.Tensor>;

/**
 * Returns the gradients of all penalties at the current weights. They belong to the weights, not to samples, so the
 * update adds them once, for any number of slices. The reported loss does not include them.
 */
export function regularizerGradients({ model, parameters, penalisedLayers }: Replica): RegularizerGradients {
  if (penalisedLayers.length === 0) return new Map();
  const owned = new Set(penalisedLayers.flatMap((layer) => layer.weights));
  const indexes = model.weights.flatMap((weight, index) => (owned.has(weight) ? [index] : []));
  const weights = indexes.map((index) => parameters.weight(index));
  const gradients = tf.grads(() => {
    const penalties = penalisedLayers.flatMap((layer) => layer.calculateLosses());
    // A weight without a penalty, such as a bias, still needs a path to the result: zero times its sum.
    return tf.addN([...penalties, ...weights.map((weight) => weight.sum().mul(0))]);
  })(weights);
  return new Map(indexes.map((index, position) => [index, at(gradients, position)]));
}
