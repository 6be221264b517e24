/** For tests: models whose training is checked, and custom layers. */
import { tf } from "@lockstep/engine";
import { defined } from "@lockstep/testing";
import { assertTrainable } from "../checks/assert-trainable.ts";

type Layer = tf.layers.Layer;
/** The inputs of a layer's call. */
export type Rows = tf.Tensor | tf.Tensor[];

const { dense, flatten } = tf.layers;
/** A last layer of five classes. */
export const logits = () => dense({ name: "logits", units: 5 });
/** An image model with `layers` between flatten and the logits. */
export const withLayers = (...layers: Layer[]) =>
  tf.sequential({ layers: [flatten({ inputShape: [4, 4, 3] }), ...layers, logits()] });
/** The same for layers that want a sequence: 4 steps of 12 numbers. */
export const withSequence = (...layers: Layer[]) =>
  tf.sequential({
    layers: [tf.layers.reshape({ inputShape: [4, 4, 3], targetShape: [4, 12] }), ...layers, flatten(), logits()],
  });
/** Checks a model of five classes. */
export const check = (model: tf.LayersModel, allowSoftmax = false) =>
  assertTrainable(model, { numClasses: 5, allowSoftmax });

/** A custom layer, made of a function of the rows. */
export function custom(change: (rows: tf.Tensor, training: boolean) => tf.Tensor): Layer {
  class Custom extends tf.layers.Layer {
    static className = "Custom";
    override call(inputs: Rows, options: { training?: boolean }): tf.Tensor {
      return change(Array.isArray(inputs) ? defined(inputs[0]) : inputs, options.training === true);
    }
  }
  return new Custom({ name: "mine" });
}
