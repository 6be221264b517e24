/** Runs a model on two images and observes the calls of its layers. */

import { tf } from "@lockstep/engine";
import { elementCount } from "@lockstep/formats";
import { uniforms } from "@lockstep/random";
import type { Layer } from "./layers.ts";
import { signatureOf } from "./signature.ts";

/** The input or output of a layer: one tensor or several. */
export type Tensors = tf.Tensor | tf.Tensor[];

/** Calls a layer in training mode, on any inputs. */
export type Attempt = (inputs: Tensors) => Tensors;

type CallOptions = Parameters<Layer["call"]>[1];

/** Runs the model on two random images, and passes each call of one of the layers to `onCall`. */
export function watchCalls(
  model: tf.LayersModel,
  layers: Iterable<Layer>,
  onCall: (layer: Layer, attempt: Attempt, inputs: Tensors) => void,
): void {
  const originals = [...new Set(layers)].map((layer) => ({ layer, call: layer.call }));
  for (const { layer, call } of originals) {
    layer.call = (inputs, options) => {
      const attempt: Attempt = (rows) => call.call(layer, rows, { ...options, mask: undefined, training: true });
      onCall(layer, attempt, inputs);
      return call.call(layer, inputs, options);
    };
  }
  try {
    tf.tidy(() => void model.apply(probeImages(model), { training: false } as CallOptions));
  } finally {
    for (const { layer, call } of originals) layer.call = call;
  }
}

/** Returns two images of uniform random numbers in [−1, 1). */
export function probeImages(model: tf.LayersModel): tf.Tensor {
  const shape = [2, ...signatureOf(model).inputShape];
  return tf
    .tensor(uniforms(0, "init", [0, 0, 0], elementCount(shape)), shape)
    .mul(2)
    .sub(1);
}

/** Returns one tensor or several as an array. */
export const tensorList = (tensors: Tensors) => (Array.isArray(tensors) ? tensors : [tensors]);
