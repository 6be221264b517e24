import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { tf } from "@lockstep/engine";
import { type TfjsTopology, tfjsTopologySchema, writeTfjsModel } from "@lockstep/formats";
import { defined } from "@lockstep/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { buildModel } from "../spec/build.ts";
import type { ModelSpec } from "../spec/spec.ts";
import { initialWeights } from "../weights/initial-weights.ts";
import { stateDictNames, toStateDict } from "../weights/state-dict.ts";
import type { StateDict } from "../weights/state-tensors.ts";
import { tfjsTopologyOf } from "./tfjs-topology.ts";

let folder: string;
beforeAll(async () => {
  await tf.setBackend("cpu");
  folder = await mkdtemp(join(tmpdir(), "lockstep-tfjs-"));
});
afterAll(() => rm(folder, { recursive: true }));

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
  const x = layers.layerNormalization().apply(stem.apply(images));
  const steps = layers.reshape({ targetShape: [8, 24] }).apply(x);
  const lstm = layers.lstm({ name: "steps", units: 3, kernelRegularizer: "l1l2" }).apply(steps);
  const flat = layers.dense({ units: 5 }).apply(layers.dropout({ rate: 0.2 }).apply(layers.flatten().apply(x)));
  const both = layers.concatenate().apply([lstm, flat] as tf.SymbolicTensor[]);
  return tf.model({ inputs: images, outputs: layers.dense({ name: "logits", units: 4 }).apply(both) as never });
}

/** Two models inside, the second applied twice, and another one in the first; each has a layer "fc", as has the model. */
function namesakeModel(): tf.LayersModel {
  const dense = (units: number, options: object = {}) => layers.dense({ name: "fc", units, ...options });
  const inner = tf.sequential({ layers: [dense(6, { inputShape: [7] })] });
  const first = tf.sequential({ layers: [dense(7, { inputShape: [288], activation: "relu" }), inner] });
  const input = tf.input({ shape: [6] });
  const sum = layers.add().apply([input, dense(6).apply(input)] as tf.SymbolicTensor[]);
  const second = tf.model({ inputs: input, outputs: layers.dropout({ name: "fc_1", rate: 0.5 }).apply(sum) as never });
  const images = tf.input({ shape: [8, 12, 3] });
  const x = second.apply(second.apply(first.apply(layers.flatten().apply(images))));
  return tf.model({ inputs: images, outputs: dense(4).apply(x) as never });
}

interface Trained {
  model: tf.LayersModel;
  topology: TfjsTopology;
  stateDict: StateDict;
}

/** A model with drawn weights, and what a coordinator has of it: a topology that came as JSON, and a state dict. */
async function trained(model: tf.LayersModel, spec?: ModelSpec): Promise<Trained> {
  const values = await initialWeights(model, { init: "pytorch", seed: 5 });
  model.setWeights(model.weights.map(({ shape }, index) => tf.tensor(defined(values[index]), shape as number[])));
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

describe.each(models)("the files of %s", (name, make) => {
  let model: tf.LayersModel;
  let json: string;
  let weights: Buffer;
  beforeAll(async () => {
    const { topology, stateDict, ...made } = await make();
    const dir = join(folder, "runs", name);
    model = made.model;
    await writeTfjsModel(dir, topology, stateDict);
    json = await readFile(join(dir, "model.json"), "utf8");
    weights = await readFile(join(dir, "weights.bin"));
  });

  test("hold what model.save would write, to the byte", async () => {
    const { modelTopology, format, generatedBy, convertedBy, weightSpecs, weightData } = await saved(model);
    const weightsManifest = [{ paths: ["weights.bin"], weights: weightSpecs }];
    expect(json).toBe(JSON.stringify({ modelTopology, format, generatedBy, convertedBy, weightsManifest }));
    expect(weights.equals(new Uint8Array(weightData as ArrayBuffer))).toBe(true);
  });

  test("load with tf.loadLayersModel and give the same logits", () => assertSameWhenLoaded(json, weights, model));
});

async function assertSameWhenLoaded(json: string, weights: Buffer, model: tf.LayersModel): Promise<void> {
  const { weightsManifest, ...artifacts } = JSON.parse(json);
  const weightData = new Uint8Array(weights).buffer;
  const source = { ...artifacts, weightSpecs: weightsManifest[0].weights, weightData };
  const loaded = await tf.loadLayersModel(tf.io.fromMemory(source));
  const logits = (net: tf.LayersModel) =>
    (net.predict(tf.randomUniform([3, 8, 12, 3], -1, 1, "float32", 7)) as tf.Tensor).dataSync();
  expect(new Set(logits(model)).size).toBe(12);
  expect(logits(loaded)).toEqual(logits(model));
}

test("Models inside a model may hold layers of one name: each saved weight has a name of its own", async () => {
  const { model, topology, stateDict } = await trained(namesakeModel());
  const names = topology.weights.map(({ name }) => name);
  expect(new Set(model.weights.map(({ originalName }) => originalName)).size).toBe(2); // before
  expect(new Set(names).size).toBe(8);
  const dir = join(folder, "namesakes");
  await writeTfjsModel(dir, topology, stateDict);
  const json = await readFile(join(dir, "model.json"), "utf8");
  await assertSameWhenLoaded(json, await readFile(join(dir, "weights.bin")), model);
});

describe("tfjsTopologyOf", () => {
  test.each([
    ["averages of a BatchNormalization", () => layers.batchNormalization(), /\/moving_mean is not trained, so/],
    ["frozen weights", () => layers.dense({ name: "frozen", units: 2, trainable: false }), /frozen\/kernel is not/],
  ])("refuses %s, which no state dict holds", (_, layer, message) => {
    const model = tf.sequential({ layers: [layers.flatten({ inputShape: [2, 2, 1] }), layer()] });
    expect(() => tfjsTopologyOf(model, stateDictNames(model))).toThrow(message);
  });
});
