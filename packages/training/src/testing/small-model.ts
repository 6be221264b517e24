/** A small net for tests, with AlexNet's kinds of layers, and batches for it. */

import type { Batch } from "@lockstep/dataset";
import { type ParameterValues, tf } from "@lockstep/engine";
import { elementCount } from "@lockstep/formats";
import { uniforms } from "@lockstep/random";

/** Makes the small net, from 8 × 8 × 3 images to 5 classes. */
export function smallModel({ dropout = 0, regularizer }: { dropout?: number; regularizer?: string } = {}) {
  const options = regularizer === undefined ? {} : { kernelRegularizer: regularizer as "l1l2" };
  return tf.sequential({
    layers: [
      tf.layers.conv2d({ inputShape: [8, 8, 3], filters: 4, kernelSize: 3, padding: "same", activation: "relu" }),
      tf.layers.maxPooling2d({ poolSize: 2, strides: 2 }),
      tf.layers.flatten(),
      tf.layers.dense({ name: "hidden", units: 16, activation: "relu", ...options }),
      tf.layers.dropout({ rate: dropout }),
      tf.layers.dense({ name: "logits", units: 5 }),
    ],
  });
}

/** Indexes of the two Dense layers' kernels among the weights. */
export const denseKernels = [2, 4];

/** Returns values between −0.3 and 0.3 for each weight of the model. */
export function valuesFor(model: tf.LayersModel): ParameterValues[] {
  return model.weights.map((weight, index) => {
    const shape = weight.shape as number[];
    const size = elementCount(shape);
    return { shape, weight: uniforms(1, "init", [index, 0, 0], size).map((value) => (value - 0.5) * 0.6) };
  });
}

/** Returns samples `start` to `end` of an endless data set with 5 classes. */
export function batchOf(start: number, end: number): Batch {
  const samples = end - start;
  const ids = Uint32Array.from({ length: samples }, (_, row) => start + row);
  const images = new Float32Array(samples * 192);
  for (const [row, id] of ids.entries())
    images.set(
      uniforms(2, "shapes", [id, 0, 0], 192).map((v) => v * 2 - 1),
      row * 192,
    );
  return {
    images,
    labels: Int32Array.from(ids, (id) => id % 5),
    sampleIds: ids,
    samples,
    height: 8,
    width: 8,
    channels: 3,
  };
}
