/** Trying out whether a layer computes each row of a batch from that row alone. */
import { readBack, tf } from "@lockstep/engine";
import { uniforms } from "@lockstep/random";
import { elementCount, type Layer } from "./layers.ts";
import { signatureOf } from "./signature.ts";

type Tensors = tf.Tensor | tf.Tensor[];
type CallOptions = Parameters<Layer["call"]>[1];

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
  const untouched = layers.map((layer) => ({ layer, call: layer.call }));
  for (const { layer, call } of untouched) {
    layer.call = (inputs, options) => {
      const attempt = (rows: Tensors) => call.call(layer, rows, { ...options, mask: undefined, training: true });
      for (let round = 0; round < 2; round++)
        gaps.push({ layer, gap: tf.keep(tf.tidy(() => largestGap(attempt, inputs))) });
      return call.call(layer, inputs, options);
    };
  }
  try {
    tf.tidy(() => void model.apply(probeImages(model), { training: false } as CallOptions));
    const mixing: Layer[] = [];
    for (const { layer, gap } of gaps) if ((await readBack(gap))[0]! > TOLERANCE) mixing.push(layer);
    return mixing;
  } finally {
    for (const { layer, call } of untouched) layer.call = call;
    tf.dispose(gaps.map(({ gap }) => gap));
  }
}

/** Two images of uniform numbers in [−1, 1). */
function probeImages(model: tf.LayersModel): tf.Tensor {
  const shape = [2, ...signatureOf(model).inputShape];
  return tf
    .tensor(uniforms(0, "init", [0, 0, 0], elementCount(shape)), shape)
    .mul(2)
    .sub(1);
}

/** The largest |f(both rows) − f(each row)|, as a share of the largest |f| if that is above 1. */
function largestGap(call: (rows: Tensors) => Tensors, inputs: Tensors): tf.Scalar {
  const together = list(call(inputs));
  const rows = [0, 1].map((row) => list(call(mapTensors(inputs, (tensor) => tensor.slice([row], [1])))));
  const gaps = together.map((both, index) => {
    const apart = tf.concat(rows.map((row) => row[index]!));
    if (String(apart.shape) !== String(both.shape)) return tf.scalar(Number.POSITIVE_INFINITY);
    return tf.sub(both, apart).abs().max().div(both.abs().max().maximum(1));
  });
  return tf.stack(gaps).max();
}

const list = (tensors: Tensors) => (Array.isArray(tensors) ? tensors : [tensors]);
const mapTensors = (tensors: Tensors, change: (tensor: tf.Tensor) => tf.Tensor) =>
  Array.isArray(tensors) ? tensors.map(change) : change(tensors);
