/** Tests the shape table of models that code makes. */
import { tf } from "@lockstep/engine";
import { beforeAll, expect, test } from "vitest";
import { alexnetCifar10 } from "../architectures/alexnet-cifar10.ts";
import { buildModel } from "../spec/build.ts";
import { describeModel } from "../spec/describe.ts";
import { describeLayersModel } from "./describe-layers-model.ts";

beforeAll(() => tf.setBackend("cpu"));

test("the table of a code model has each layer's output, window, parameters and MACs", () => {
  const model = tf.sequential({
    layers: [
      tf.layers.conv2d({ name: "c", inputShape: [8, 6, 3], filters: 4, kernelSize: 3, strides: 1 }), // 6 × 4 × 4
      tf.layers.maxPooling2d({ name: "p", poolSize: 2, strides: 2 }), // 3 × 2 × 4
      tf.layers.flatten({ name: "f" }),
      tf.layers.dense({ name: "d", units: 5 }),
    ],
  });
  const none = { parameters: 0, macs: 0 };
  expect(describeLayersModel(model, "Small", [8, 6, 3])).toEqual({
    name: "Small",
    inputShape: [8, 6, 3],
    rows: [
      // 3·3·3·4 weights and 4 biases; each weight at 6·4 positions
      { layer: "c", output: [6, 4, 4], channels: 4, kernel: 3, stride: 1, padding: 0, parameters: 112, macs: 2592 },
      { layer: "p", output: [3, 2, 4], channels: 4, kernel: 2, stride: 2, padding: 0, ...none },
      { layer: "f", output: [24], ...none },
      { layer: "d", output: [5], parameters: 125, macs: 120 },
    ],
    parameters: 237,
    macs: 2712,
  });
});

test("the table of a nested model has its layers with their paths", () => {
  const inner = tf.sequential({ name: "inner", layers: [tf.layers.dense({ name: "d", units: 2, inputShape: [3] })] });
  const input = tf.input({ shape: [3] });
  const model = tf.model({ inputs: input, outputs: inner.apply(input) as tf.SymbolicTensor });
  expect(describeLayersModel(model, "M", [1, 1, 3]).rows.map(({ layer, parameters }) => [layer, parameters])).toEqual([
    ["inner/d", 8],
  ]);
});

test("the totals of a model built from a spec are those of the spec", () => {
  const spec = alexnetCifar10();
  const { parameters, macs } = describeModel(spec);
  expect(describeLayersModel(buildModel(spec), spec.name, spec.inputShape)).toMatchObject({ parameters, macs });
});
