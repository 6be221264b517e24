/** Checks the layers whose columns PyTorch's order does not fit, one model for each. */
import { tf } from "@lockstep/engine";
import { expect, test } from "vitest";
import { layersInTfOrder } from "./tf-order.ts";

const { layers } = tf;
const dense = (name: string) => layers.dense({ name, units: 3 });
const net = (...parts: tf.layers.Layer[]) =>
  tf.sequential({
    layers: [layers.conv2d({ inputShape: [4, 4, 2], filters: 2, kernelSize: 1 }), ...parts, dense("out")],
  });

test.each<[string, () => tf.LayersModel, string[]]>([
  ["a Dense layer after Flatten", () => net(layers.flatten(), dense("a")), []],
  ["a Dense layer after Reshape", () => net(layers.reshape({ targetShape: [32] })), ["out"]],
  [
    "a normalization between Flatten and Dense",
    () => net(layers.flatten(), layers.dropout({ rate: 0.1 }), layers.layerNormalization({ name: "norm" })),
    ["norm"],
  ],
  [
    "a recurrent layer",
    () => net(layers.reshape({ targetShape: [4, 8] }), layers.gru({ name: "gru", units: 2 })),
    ["gru"],
  ],
  [
    "a Reshape of an image whose channels come first",
    () => net(layers.permute({ dims: [3, 1, 2] }), layers.reshape({ targetShape: [32] })),
    [],
  ],
  ["the mean of each channel", () => net(layers.globalAveragePooling2d({}), layers.reshape({ targetShape: [2] })), []],
  ["a single pixel", () => net(layers.maxPooling2d({ poolSize: 4 }), layers.reshape({ targetShape: [2] })), []],
])("layersInTfOrder finds what PyTorch's order does not fit: %s", (_, make, names) => {
  expect(layersInTfOrder(make())).toEqual(names);
});
