/** Trying out whether a layer computes each row of a batch from that row alone. */
import { readBack, tf } from "@lockstep/engine";
import { type Attempt, type Tensors, tensorList, watchCalls } from "../layers/layer-calls.ts";
import type { Layer } from "../layers/layers.ts";

/** Backends round sums of more rows differently; a mean over the batch or a random number shows far above this. */
const TOLERANCE = 1e-4;

/**
 * Those of `layers` that mix the rows of a batch, draw random numbers or keep a state: two random images are sent
 * through the model, and each of the layers is called, twice over, in training mode with both rows of its input and
 * with each by itself.
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
    for (const { layer, gap } of gaps) if ((await readBack(gap))[0]! > TOLERANCE) mixing.push(layer);
    return mixing;
  } finally {
    tf.dispose(gaps.map(({ gap }) => gap));
  }
}

/** The largest |f(both rows) − f(each row)|, as a share of the largest |f| if that is above 1. */
function largestGap(call: Attempt, inputs: Tensors): tf.Scalar {
  const together = tensorList(call(inputs));
  const rows = [0, 1].map((row) => tensorList(call(mapTensors(inputs, (tensor) => tensor.slice([row], [1])))));
  const gaps = together.map((both, index) => {
    const apart = tf.concat(rows.map((row) => row[index]!));
    if (String(apart.shape) !== String(both.shape)) return tf.scalar(Number.POSITIVE_INFINITY);
    return tf.sub(both, apart).abs().max().div(both.abs().max().maximum(1));
  });
  return tf.stack(gaps).max();
}

const mapTensors = (tensors: Tensors, change: (tensor: tf.Tensor) => tf.Tensor) =>
  Array.isArray(tensors) ? tensors.map(change) : change(tensors);
