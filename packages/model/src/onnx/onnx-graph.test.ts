/** Checks the models that cannot be exported to ONNX, each with its reason. */
import { tf } from "@lockstep/engine";
import { beforeAll, expect, test } from "vitest";
import { applied } from "../testing/tensors.ts";
import { stateDictNames } from "../weights/state-dict.ts";
import { onnxGraphOf } from "./onnx-graph.ts";
import { encodeOnnxModel } from "./onnx-model.ts";

beforeAll(() => tf.setBackend("cpu"));

const { layers } = tf;
const facts = { producerVersion: "0", input: "", output: "", metadata: {} };

const ofImages = (...parts: tf.layers.Layer[]) =>
  tf.sequential({ layers: [layers.conv2d({ inputShape: [4, 4, 3], filters: 2, kernelSize: 1 }), ...parts] });
/** An image and its means, which TensorFlow.js would add to each pixel. */
const addedMeans = () => {
  const images = tf.input({ shape: [4, 4, 2] });
  const means = applied(layers.globalAveragePooling2d({}), images);
  const sum = layers.add({ name: "sum" }).apply([images, means]);
  return tf.model({ inputs: images, outputs: applied(layers.flatten(), sum) });
};
const refused: [string, () => tf.LayersModel, RegExp][] = [
  [
    "of a layer that ONNX export does not know",
    () => ofImages(layers.layerNormalization({ name: "norm" }), layers.flatten()),
    /^Cannot export layer norm \(LayerNormalization\) to ONNX: the ONNX export does not support this layer\. Use --to tfjs/,
  ],
  [
    "of another activation",
    () => ofImages(layers.flatten(), layers.dense({ name: "fc", units: 3, activation: "tanh" })),
    /layer fc \(Dense\) to ONNX: its activation is "tanh"/,
  ],
  [
    "of a ReLU layer with a cap",
    () => ofImages(layers.reLU({ name: "relu6", maxValue: 6 }), layers.flatten()),
    /layer relu6 \(ReLU\) to ONNX: its maxValue is 6/,
  ],
  [
    "of channels that come first",
    () => ofImages(layers.maxPooling2d({ name: "pool", dataFormat: "channelsFirst" }), layers.flatten()),
    /layer pool \(MaxPooling2D\) to ONNX: its dataFormat is "channelsFirst"/,
  ],
  [
    "of Dense on an image",
    () => ofImages(layers.dense({ name: "fc", units: 3 }), layers.flatten()),
    /layer fc .*: expected a row of values as its input, got \[4, 4, 2\]/,
  ],
  ["of Add on a row of numbers", addedMeans, /layer sum \(Add\) .*: expected an image as its input, got \[2\]/],
  [
    "of a model that ends with a flattened image",
    () => ofImages(layers.flatten({ name: "flat" }), layers.dropout({ name: "end", rate: 0.5 })),
    /layer end .*: a flattened image cannot be the output/,
  ],
  [
    "of frozen weights",
    () => ofImages(layers.flatten(), layers.dense({ name: "frozen", units: 3, trainable: false })),
    /frozen\/kernel is not trained/,
  ],
];
test.each(refused)("an ONNX export %s is refused", (_, make, message) => {
  const model = make();
  expect(() => onnxGraphOf(model, stateDictNames(model))).toThrow(message);
});

test("an ONNX export may end with a flattened pixel, whose channels are in order", () => {
  const model = ofImages(layers.maxPooling2d({ poolSize: 4 }), layers.flatten());
  expect(onnxGraphOf(model, stateDictNames(model)).numClasses).toBe(2);
});

test("an ONNX export with the weights of another model is refused", () => {
  const model = ofImages(layers.flatten(), layers.dense({ name: "fc", units: 3 }));
  const graph = onnxGraphOf(model, stateDictNames(model));
  expect(() => encodeOnnxModel(graph, new Map(), facts)).toThrow("fc.weight is missing");
});
