/** Checks that equal models have equal texts, although TensorFlow.js counts their names on. */
import { startEngine, tf } from "@lockstep/engine";
import { defined } from "@lockstep/testing";
import { beforeAll, expect, test } from "vitest";
import { applied } from "../testing/tensors.ts";
import { stateDictNames } from "../weights/state-dict.ts";
import { stableTopology } from "./stable-topology.ts";
import { tfjsTopologyOf } from "./tfjs-topology.ts";

beforeAll(async () => void (await startEngine({ backend: "cpu" })));

const { layers } = tf;
const textOf = (model: tf.LayersModel) => stableTopology(tfjsTopologyOf(model, stateDictNames(model)));

interface Choices {
  activation?: "relu" | "tanh";
  strides?: number;
  rate?: number;
  /** Which of two layers of one shape comes first. */
  order?: [number, number];
}

/** Names are left to TensorFlow.js, save one. */
function functional({ activation = "relu", strides = 1, rate = 0.5, order = [0, 1] }: Choices = {}): tf.LayersModel {
  const images = tf.input({ shape: [8, 8, 3] });
  const inner = tf.sequential({
    layers: [
      layers.conv2d({ inputShape: [8, 8, 3], filters: 4, kernelSize: 3, strides, padding: "same", activation }),
      layers.globalAveragePooling2d({ dataFormat: "channelsLast" }), // [batch, 4]
    ],
  });
  const both = [layers.dense({ units: 4, name: "named" }), layers.dense({ units: 4 })] as const;
  let x = applied(inner, images);
  for (const index of order) x = applied(defined(both[index]), x);
  const steps = applied(layers.reshape({ targetShape: [2, 2] }), layers.dropout({ rate }).apply(x));
  const lstm = layers.bidirectional({ layer: layers.lstm({ units: 2 }) as never, mergeMode: "concat" });
  return tf.model({ inputs: images, outputs: applied(lstm, steps) });
}

test("the text of a topology is the same for two equal models, although TensorFlow.js numbers their layers on", () => {
  const [first, second] = [functional(), functional()];
  expect(second.weights.map(({ originalName }) => originalName)).not.toEqual(
    first.weights.map(({ originalName }) => originalName),
  );
  expect(textOf(second)).toBe(textOf(first));
  const model = tf.sequential({ layers: [layers.dense({ units: 2, inputShape: [3] })] });
  expect(textOf(tf.sequential({ layers: [layers.dense({ units: 2, inputShape: [3] })] }))).toBe(textOf(model));
});

test.each<[string, Choices]>([
  ["an activation", { activation: "tanh" }],
  ["strides", { strides: 2 }],
  ["a dropout rate", { rate: 0.4 }],
  ["the order of two layers", { order: [1, 0] }],
])("the text of a topology depends on %s", (_, choices) => {
  expect(textOf(functional(choices))).not.toBe(textOf(functional()));
});

test("the text of a topology contains the names that the user gave", () => {
  expect(textOf(functional())).toContain('"named/kernel"');
});
