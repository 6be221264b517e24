/** Compares written models with the bytes of TensorFlow.js' own model.save, and the logits once they are loaded. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { tf } from "@lockstep/engine";
import { type TfjsTopology, tfjsTopologySchema, writeTfjsModel } from "@lockstep/formats";
import { test } from "@lockstep/testing";
import { beforeAll, expect } from "vitest";
import { buildModel } from "../spec/build.ts";
import type { ModelSpec } from "../spec/spec.ts";
import { applied, assignWeights, chain, predicted } from "../testing/tensors.ts";
import { initialWeights } from "../weights/initial-weights.ts";
import { stateDictNames, toStateDict } from "../weights/state-dict.ts";
import type { StateDict } from "../weights/state-tensors.ts";
import { tfjsTopologyOf } from "./tfjs-topology.ts";

beforeAll(() => tf.setBackend("cpu"));

const { layers } = tf;

/** The AlexNet for CIFAR-10 in small. The images are not square, so that no two axes can be swapped unseen. */
const spec: ModelSpec = {
  name: "Small",
  inputShape: [8, 12, 3],
  layers: [
    { type: "conv", name: "conv1", filters: 5, kernel: 3, stride: 1, padding: 1, activation: "relu" }, // [batch, 8, 12, 5]
    { type: "maxPool", kernel: 2, stride: 2 }, //                                                         [batch, 4, 6, 5]
    { type: "conv", name: "conv2", filters: 7, kernel: 3, stride: 2, padding: 1, activation: "relu" }, // [batch, 2, 3, 7]
    { type: "flatten" }, //                                                                               [batch, 42]
    { type: "dense", name: "fc1", units: 9, activation: "relu" }, //                                      [batch, 9]
    { type: "dropout", rate: 0.5 },
    { type: "dense", name: "fc2", units: 4 }, //                                                          [batch, 4]
  ],
};

/** A user's model: layers without names, a model inside, and weights whose layout is TensorFlow.js' own. */
function userModel(): tf.LayersModel {
  const stem = tf.sequential({
    layers: [
      layers.conv2d({ inputShape: [8, 12, 3], filters: 4, kernelSize: 3, useBias: false }), // [batch, 6, 10, 4]
      layers.separableConv2d({ filters: 6, kernelSize: 3, activation: "relu" }), //            [batch, 4, 8, 6]
    ],
  });
  const images = tf.input({ shape: [8, 12, 3] });
  const x = chain(images, stem, layers.layerNormalization());
  const lstm = layers.lstm({ name: "steps", units: 3, kernelRegularizer: "l1l2" });
  const steps = chain(x, layers.reshape({ targetShape: [8, 24] }), lstm);
  const flat = chain(x, layers.flatten(), layers.dropout({ rate: 0.2 }), layers.dense({ units: 5 }));
  const both = applied(layers.concatenate(), [steps, flat]);
  return tf.model({ inputs: images, outputs: applied(layers.dense({ name: "logits", units: 4 }), both) });
}

/**
 * Two models inside, the second applied twice, and another one in the first; each has a layer "fc", as has the model.
 */
function namesakeModel(): tf.LayersModel {
  const dense = (units: number, options: object = {}) => layers.dense({ name: "fc", units, ...options });
  const inner = tf.sequential({ layers: [dense(6, { inputShape: [7] })] });
  const first = tf.sequential({ layers: [dense(7, { inputShape: [288], activation: "relu" }), inner] });
  const input = tf.input({ shape: [6] });
  const sum = applied(layers.add(), [input, applied(dense(6), input)]);
  const second = tf.model({ inputs: input, outputs: applied(layers.dropout({ name: "fc_1", rate: 0.5 }), sum) });
  const images = tf.input({ shape: [8, 12, 3] });
  return tf.model({ inputs: images, outputs: chain(images, layers.flatten(), first, second, second, dense(4)) });
}

interface Trained {
  model: tf.LayersModel;
  topology: TfjsTopology;
  stateDict: StateDict;
}

/** A model with drawn weights, and what a coordinator has of it: a topology that came as JSON, and a state dict. */
async function trained(model: tf.LayersModel, spec?: ModelSpec): Promise<Trained> {
  const values = await initialWeights(model, { init: "pytorch", seed: 5 });
  assignWeights(model, values);
  const names = stateDictNames(model, spec);
  const topology = tfjsTopologySchema.parse(JSON.parse(JSON.stringify(tfjsTopologyOf(model, names))));
  return { model, topology, stateDict: toStateDict(names, values) };
}

/** Returns the files that TensorFlow.js itself saves. */
async function saved(model: tf.LayersModel): Promise<tf.io.ModelArtifacts> {
  let artifacts: tf.io.ModelArtifacts = {};
  const save = async (given: tf.io.ModelArtifacts): Promise<tf.io.SaveResult> => {
    artifacts = given;
    return { modelArtifactsInfo: tf.io.getModelArtifactsInfoForJSON(given) };
  };
  await model.save(tf.io.withSaveHandler(save));
  return artifacts;
}

const models: [string, () => Promise<Trained>][] = [
  ["a spec", () => trained(buildModel(spec), spec)],
  ["a user's tf.LayersModel", () => trained(userModel())],
];

/** Writes the files of a model, and returns what they hold. */
async function written(folder: string, { topology, stateDict }: Trained) {
  await writeTfjsModel(join(folder, "run"), topology, stateDict);
  const json = await readFile(join(folder, "run", "model.json"), "utf8");
  return { json, weights: await readFile(join(folder, "run", "weights.bin")) };
}

test.for(models)("the files of %s hold what model.save would write, to the byte", async ([, make], { folder }) => {
  const trained = await make();
  const { json, weights } = await written(folder, trained);
  const { modelTopology, format, generatedBy, convertedBy, weightSpecs, weightData } = await saved(trained.model);
  const weightsManifest = [{ paths: ["weights.bin"], weights: weightSpecs }];
  expect(json).toBe(JSON.stringify({ modelTopology, format, generatedBy, convertedBy, weightsManifest }));
  expect(weights.equals(new Uint8Array(tf.io.CompositeArrayBuffer.join(weightData)))).toBe(true);
});

test.for(models)("tf.loadLayersModel loads the files of %s with the same logits", async ([, make], { folder }) => {
  const trained = await make();
  const { json, weights } = await written(folder, trained);
  await assertSameWhenLoaded(json, weights, trained.model);
});

async function assertSameWhenLoaded(json: string, weights: Buffer, model: tf.LayersModel): Promise<void> {
  const { weightsManifest, ...artifacts } = JSON.parse(json);
  const weightData = new Uint8Array(weights).buffer;
  const source = { ...artifacts, weightSpecs: weightsManifest[0].weights, weightData };
  const loaded = await tf.loadLayersModel(tf.io.fromMemory(source));
  const logits = (net: tf.LayersModel) =>
    predicted(net, tf.randomUniform([3, 8, 12, 3], -1, 1, "float32", 7)).dataSync();
  expect(new Set(logits(model)).size).toBe(12);
  expect(logits(loaded)).toEqual(logits(model));
}

test("models inside a model may have layers of one name, and each saved weight has a name of its own", async ({
  folder,
}) => {
  const made = await trained(namesakeModel());
  expect(new Set(made.model.weights.map(({ originalName }) => originalName)).size).toBe(2); // before
  expect(new Set(made.topology.weights.map(({ name }) => name)).size).toBe(8);
  const { json, weights } = await written(folder, made);
  await assertSameWhenLoaded(json, weights, made.model);
});

test.each([
  ["averages of a BatchNormalization", () => layers.batchNormalization(), /\/moving_mean is not trained, so/],
  ["frozen weights", () => layers.dense({ name: "frozen", units: 2, trainable: false }), /frozen\/kernel is not/],
])("tfjsTopologyOf refuses %s, which no state dict holds", (_, layer, message) => {
  const model = tf.sequential({ layers: [layers.flatten({ inputShape: [2, 2, 1] }), layer()] });
  expect(() => tfjsTopologyOf(model, stateDictNames(model))).toThrow(message);
});
