/** Checks names of layers that the user gave, that TensorFlow.js counted, and that look like both. */
import { tf } from "@lockstep/engine";
import { beforeAll, expect, test } from "vitest";
import { applied } from "../testing/tensors.ts";
import { stableTopology } from "../tfjs/stable-topology.ts";
import { tfjsTopologyOf } from "../tfjs/tfjs-topology.ts";
import { stateDictNames } from "../weights/state-dict.ts";
import { generatedKind, stableNames } from "./layer-names.ts";
import { namedLayer } from "./layers.ts";

beforeAll(() => tf.setBackend("cpu"));

const { layers } = tf;
const namesOf = (model: tf.LayersModel) => stateDictNames(model).map(({ name }) => name);
/** A model of these layers between an image of 8 × 8 and 3 classes. */
function modelOf(...parts: tf.layers.Layer[]): tf.LayersModel {
  const inputs = tf.input({ shape: [8, 8, 3] });
  const outputs = [...parts, layers.flatten(), layers.dense({ name: "fc_Out1", units: 3 })];
  return tf.model({ inputs, outputs: outputs.reduce((x, part) => applied(part, x), inputs) });
}
const conv = (name?: string) => layers.conv2d({ ...(name && { name }), filters: 3, kernelSize: 1 });

test("given names of layers are kept, whatever they look like", () => {
  expect(namesOf(modelOf(conv("stage_B1"), conv("dense_Dense1"), conv("model3"), conv("conv2d_Conv2D")))).toEqual([
    ...["stage_B1.weight", "stage_B1.bias", "dense_Dense1.weight", "dense_Dense1.bias", "model3.weight", "model3.bias"],
    ...["conv2d_Conv2D.weight", "conv2d_Conv2D.bias", "fc_Out1.weight", "fc_Out1.bias"],
  ]);
  expect(
    stableTopology(tfjsTopologyOf(modelOf(conv("stage_B1")), stateDictNames(modelOf(conv("stage_B1"))))),
  ).toContain('"fc_Out1/kernel"');
});

test("generated names of layers avoid the given ones", () => {
  expect(namesOf(modelOf(conv("conv2d_2"), conv())).filter((name) => name.endsWith("weight"))).toEqual([
    ...["conv2d_2.weight", "conv2d_2_1.weight", "fc_Out1.weight"],
  ]);
  const layer = (name: string) => ({ name, className: "Dense", isModel: false });
  expect(stableNames(["dense_Dense7", "dense_0", "dense_0_1", "dense_Dense8"].map(layer))).toEqual([
    ...["dense_0_2", "dense_0", "dense_0_1", "dense_3"],
  ]);
});

test("a name that TensorFlow.js generated is recognised for each class of layer", () => {
  const made = [
    ...[conv(), layers.dense({ units: 1 }), layers.reLU(), layers.elu(), layers.prelu(), layers.flatten()],
    ...[layers.depthwiseConv2d({ kernelSize: 1 }), layers.separableConv2d({ filters: 1, kernelSize: 1 })],
    ...[layers.zeroPadding2d(), layers.globalAveragePooling2d({}), layers.maxPooling2d({}), layers.thresholdedReLU()],
    ...[
      layers.layerNormalization(),
      layers.lstm({ units: 1 }),
      layers.gru({ units: 1 }),
      layers.add(),
      layers.dot({ axes: 1 }),
    ],
    ...[
      layers.upSampling2d({}),
      layers.conv2dTranspose({ filters: 1, kernelSize: 1 }),
      layers.spatialDropout1d({ rate: 0 }),
    ],
    ...[
      layers.timeDistributed({ layer: conv() }),
      layers.simpleRNN({ units: 1 }),
      layers.reshape({ targetShape: [1] }),
    ],
    ...[tf.sequential(), modelOf()],
  ];
  const kinds = made.map((layer) => generatedKind(namedLayer(layer)));
  expect(kinds).not.toContain(undefined);
  expect(new Set(kinds).size).toBe(made.length);
});

test("all weights inside a wrapper have different names", () => {
  const inner = tf.sequential({
    layers: [
      layers.dense({ units: 2, inputShape: [8, 3] }),
      layers.dense({ units: 2 }),
      layers.dense({ name: "c", units: 3 }),
    ],
  });
  const each = layers.timeDistributed({ name: "each", layer: inner });
  const names = ["each.dense_0.kernel", "each.dense_0.bias", "each.dense_0.kernel_1", "each.dense_0.bias_1"];
  expect(namesOf(modelOf(each))).toEqual([...names, "each.c.kernel", "each.c.bias", "fc_Out1.weight", "fc_Out1.bias"]);
});
