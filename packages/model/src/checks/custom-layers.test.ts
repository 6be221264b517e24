/** Checks that custom layers are tried out: those that mix rows or change between calls are found. */
import { tf } from "@lockstep/engine";
import { defined } from "@lockstep/testing";
import { beforeAll, expect, test } from "vitest";
import { check, custom, type Rows, withLayers } from "../testing/trainable-models.ts";

beforeAll(() => tf.setBackend("cpu"));

type Layer = tf.layers.Layer;
const { dense } = tf.layers;

test("a layer with a standard layer's class name that computes something else is refused", async () => {
  class Dropout extends tf.layers.Layer {
    static className = "Dropout";
    override call(inputs: Rows): tf.Tensor {
      return (Array.isArray(inputs) ? defined(inputs[0]) : inputs).mul(2);
    }
  }
  const message = /Layer mine \((Dropout|Dense)\) .* class name of TensorFlow.js' own \1, .* another static className/;
  await expect(check(withLayers(new Dropout({ name: "mine" })))).rejects.toThrow(message);
  const changed = dense({ name: "mine", units: 4 });
  const call = changed.call.bind(changed);
  changed.call = (inputs, options) => tf.mul(2, call(inputs, options) as tf.Tensor);
  await expect(check(withLayers(changed))).rejects.toThrow(message);
  const nested = tf.sequential({ layers: [dense({ units: 3, inputShape: [48] }), new Dropout({ name: "mine" })] });
  await expect(check(withLayers(nested as unknown as Layer))).rejects.toThrow(message);
});

test("a custom layer that treats each row alike is accepted, and leaves no tensors", async () => {
  const model = withLayers(
    dense({ units: 8 }),
    custom((rows) => rows.sub(rows.mean(1, true)).tanh()),
  );
  const before = tf.memory().numTensors;
  await check(model);
  expect(tf.memory().numTensors).toBe(before);
});

const mixing: [string, Layer][] = [
  ["uses the whole batch", custom((rows) => rows.sub(rows.mean(0, true)))],
  ["does so in training only", custom((rows, training) => (training ? rows.div(rows.max()) : rows))],
  ["draws random numbers", custom((rows) => rows.add(tf.randomNormal(rows.shape)))],
  [
    "draws the same random numbers at each call",
    custom((rows) => rows.add(tf.randomNormal(rows.shape, 0, 1, "float32", 7))),
  ],
  ["counts its calls", countingLayer()],
  ["returns one row for the batch", custom((rows) => rows.sum(0, true))],
];
test.each(mixing)("a custom layer that %s is refused", async (_, layer) => {
  await expect(check(withLayers(dense({ units: 8 }), layer))).rejects.toThrow(
    /^Layer mine \(Custom\) gave different results for two images together and for each alone/,
  );
});

/** Multiplies its input by the number of its calls. */
function countingLayer(): Layer {
  let calls = 0;
  return custom((rows) => rows.mul(++calls));
}
