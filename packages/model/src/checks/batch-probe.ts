/** Probes whether a layer computes each row of a batch from that row alone. */
import { readBack, tf } from "@lockstep/engine";
import { at } from "@lockstep/errors";
import { type Attempt, type Tensors, tensorList, watchCalls } from "../layers/layer-calls.ts";
import type { Layer } from "../layers/layers.ts";

/**
 * Tolerance for backends that round differently with more rows. A mean over the batch or a random
 * number exceeds it by far.
 */
const TOLERANCE = 1e-4;

/**
 * Returns those of `layers` that mix the rows of a batch, draw random numbers or keep state. Runs the model on two
 * random images, and calls each of the layers in training mode with both rows of its input and
 * with each alone, twice over.
 */
export async function mixingLayers(model: tf.LayersModel, layers: readonly Layer[]): Promise<Layer[]> {
  if (layers.length === 0) return [];
  const gaps: { layer: Layer; gap: tf.Scalar }[] = [];
  try {
    watchCalls(model, layers, (layer, attempt, inputs) => {
      for (let round = 0; round < 2; round++) {
        gaps.push({ layer, gap: tf.keep(tf.tidy(() => largestGap(attempt, inputs))) });
      }
    });
    const mixing: Layer[] = [];
    for (const { layer, gap } of gaps) if (at(await readBack(gap), 0) > TOLERANCE) mixing.push(layer);
    return mixing;
  } finally {
    tf.dispose(gaps.map(({ gap }) => gap));
  }
}

/** Computes the largest |f(both rows) − f(each row)|, relative to the largest |f| if that is above 1. */
function largestGap(call: Attempt, inputs: Tensors): tf.Scalar {
  const together = tensorList(call(inputs));
  const rows = [0, 1].map((row) => tensorList(call(mapTensors(inputs, (tensor) => tensor.slice([row], [1])))));
  const gaps = together.map((both, index) => {
    const apart = tf.concat(rows.map((row) => at(row, index)));
    if (String(apart.shape) !== String(both.shape)) return tf.scalar(Number.POSITIVE_INFINITY);
    return tf.sub(both, apart).abs().max().div(both.abs().max().maximum(1));
  });
  return tf.stack(gaps).max();
}

const mapTensors = (tensors: Tensors, change: (tensor: tf.Tensor) => tf.Tensor) =>
  Array.isArray(tensors) ? tensors.map(change) : change(tensors);
