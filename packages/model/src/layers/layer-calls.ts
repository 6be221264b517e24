/** Sends two images through a model and watches the calls of its layers. */

import { tf } from "@lockstep/engine";
import { elementCount } from "@lockstep/formats";
import { uniforms } from "@lockstep/random";
import type { Layer } from "./layers.ts";
import { signatureOf } from "./signature.ts";

/** A layer takes and returns one tensor or several. */
export type Tensors = tf.Tensor | tf.Tensor[];

/** A layer's own call in training mode, on other inputs than those that it was called with. */
export type Attempt = (inputs: Tensors) => Tensors;

type CallOptions = Parameters<Layer["call"]>[1];

/** Sends two random images through the model, and tells `onCall` of each call of one of the layers. */
export function watchCalls(
  model: tf.LayersModel,
  layers: Iterable<Layer>,
  onCall: (layer: Layer, attempt: Attempt, inputs: Tensors) => void,
): void {
  const untouched = [...new Set(layers)].map((layer) => ({ layer, call: layer.call }));
  for (const { layer, call } of untouched) {
    layer.call = (inputs, options) => {
      const attempt: Attempt = (rows) => call.call(layer, rows, { ...options, mask: undefined, training: true });
      onCall(layer, attempt, inputs);
      return call.call(layer, inputs, options);
    };
  }
  try {
    tf.tidy(() => void model.apply(probeImages(model), { training: false } as CallOptions));
  } finally {
    for (const { layer, call } of untouched) layer.call = call;
  }
}

/** Two images of uniform numbers in [−1, 1). */
export function probeImages(model: tf.LayersModel): tf.Tensor {
  const shape = [2, ...signatureOf(model).inputShape];
  return tf
    .tensor(uniforms(0, "init", [0, 0, 0], elementCount(shape)), shape)
    .mul(2)
    .sub(1);
}

/** Returns one tensor or several as an array. */
export const tensorList = (tensors: Tensors) => (Array.isArray(tensors) ? tensors : [tensors]);
