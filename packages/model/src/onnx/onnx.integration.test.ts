/** Compares exported models with ONNX Runtime, and with an interpreter written here. */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { startEngine, tf } from "@lockstep/engine";
import { readOnnx } from "@lockstep/formats";
import { defined, missingModules, python, temporaryFolder } from "@lockstep/testing";
import fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import { alexnet } from "../architectures/alexnet.ts";
import { alexnetCifar10 } from "../architectures/alexnet-cifar10.ts";
import { buildModel } from "../spec/build.ts";
import type { ModelSpec } from "../spec/spec.ts";
import { specs } from "../testing/small-specs.ts";
import { applied, assignWeights, chain, floatsOf, predicted } from "../testing/tensors.ts";
import { initialWeights } from "../weights/initial-weights.ts";
import { stateDictNames, toStateDict } from "../weights/state-dict.ts";
import { onnxGraphOf } from "./onnx-graph.ts";
import { encodeOnnxModel } from "./onnx-model.ts";
import { runOnnx } from "./onnx-run.ts";

const lack = missingModules("onnx, onnxruntime, numpy");

const { layers } = tf;
const facts = { producerVersion: "0", input: "", output: "", metadata: { classes: '["a","b"]' } };

await startEngine({});
const dir = temporaryFolder();

/** The documented model with a shortcut, and every setting that a spec can't express. Its images are not square. */
function codeModel(): tf.LayersModel {
  const images = tf.input({ shape: [11, 14, 3] });
  const conv = (name: string, options: object) =>
    layers.conv2d({ name, filters: 5, kernelSize: 3, padding: "same", ...options });
  const pool = layers.maxPooling2d({ poolSize: [3, 2], strides: [2, 3], padding: "same" });
  const pooled = chain(images, conv("conv1", { activation: "relu" }), pool); //                       [batch, 6, 5, 5]
  const sum = applied(layers.add(), [pooled, applied(conv("conv2", { kernelSize: [2, 3], useBias: false }), pooled)]);
  const padding: [[number, number], [number, number]] = [
    [1, 2],
    [0, 3],
  ];
  const outputs = chain(
    sum,
    layers.activation({ activation: "relu" }),
    layers.averagePooling2d({ poolSize: 2, strides: 1, padding: "same" }), //                         [batch, 6, 5, 5]
    layers.zeroPadding2d({ padding }), //                                                             [batch, 9, 8, 5]
    conv("conv3", { dilationRate: 2 }), //                                                            [batch, 9, 8, 5]
    layers.reLU(),
    layers.globalAveragePooling2d({}), //                                                             [batch, 5]
    layers.dropout({ rate: 0.1 }),
    layers.dense({ name: "logits", units: 4 }), //                                                    [batch, 4]
  );
  return tf.model({ inputs: images, outputs });
}

/** A flattened image whose numbers TensorFlow.js has in the order column, channel, row. */
function channelsFirstModel(): tf.LayersModel {
  return tf.sequential({
    layers: [
      layers.conv2d({ inputShape: [5, 7, 3], filters: 4, kernelSize: 2 }),
      layers.flatten({ dataFormat: "channelsFirst" }),
      layers.dense({ name: "logits", units: 3 }),
    ],
  });
}

/** Layers and models that are applied several times; Flatten lies in a model that Dense is not in. */
function sharingModel(): tf.LayersModel {
  const relu = layers.activation({ name: "relu", activation: "relu" });
  const conv = layers.conv2d({ name: "conv", filters: 3, kernelSize: 3, padding: "same" });
  const image = () => tf.input({ shape: [5, 6, 3] });
  const [inner, outer, images] = [image(), image(), image()];
  const block = tf.model({ inputs: inner, outputs: chain(inner, conv, relu, conv) });
  const body = tf.model({ inputs: outer, outputs: chain(outer, block, relu, block, layers.flatten()) });
  const fc = layers.dense({ name: "fc", units: 7 });
  const square = layers.dense({ name: "square", units: 7 });
  return tf.model({
    inputs: images,
    outputs: chain(images, body, fc, relu, square, relu, square, layers.dense({ name: "logits", units: 4 })),
  });
}

interface Case {
  model: tf.LayersModel;
  spec?: ModelSpec;
}

/** The logits that are due, and those that our own interpreter computes from the file. */
interface Logits {
  due: Float32Array;
  own: Float32Array;
}

/** Writes NAME.onnx and NAME.images.f32, and computes the logits. */
async function write(name: string, { model, spec }: Case): Promise<Logits> {
  const values = await initialWeights(model, { init: "pytorch", seed: 5 });
  assignWeights(model, values);
  const names = stateDictNames(model, spec);
  writeFileSync(
    join(dir, `${name}.onnx`),
    Buffer.concat(encodeOnnxModel(onnxGraphOf(model, names), toStateDict(names, values), facts)),
  );
  const [, ...shape] = defined(model.inputs[0]).shape as number[];
  const images = tf.randomUniform([2, ...shape], -1, 1, "float32", 7);
  writeFileSync(join(dir, `${name}.images.f32`), images.dataSync());
  const due = floatsOf(predicted(model, images));
  const program = readOnnx(readFileSync(join(dir, `${name}.onnx`)));
  const own = floatsOf(runOnnx(program, images as tf.Tensor4D));
  model.dispose();
  return { due, own };
}

/** At first weights some nets' logits lie close together; these must be told apart, too. */
function assertSameLogits(name: string, actual: Float32Array, due: Float32Array): void {
  expect(actual.length, name).toBe(due.length);
  const spread = Math.max(...due) - Math.min(...due);
  const error = Math.max(...due.map((value, i) => Math.abs(value - defined(actual[i]))));
  expect(error, name).toBeLessThan(1e-4 * Math.min(spread, 1));
}

/**
 * Random specs that TensorFlow.js can express, always the same ones. Left out is what PyTorch refuses and ONNX
 * Runtime's own fusions stumble over: means of windows that lie in the padding whole.
 */
function randomSpecs(wanted: number): ModelSpec[] {
  const buildable = (spec: ModelSpec) => {
    if (spec.layers.some((layer) => layer.type === "avgPool" && (layer.padding ?? 0) > layer.kernel / 2)) return false;
    try {
      buildModel(spec).dispose();
      return true;
    } catch {
      return false;
    }
  };
  return fc.sample(specs.filter(buildable), { numRuns: wanted, seed: 1 });
}

const expected = new Map<string, Logits>();
beforeAll(async () => {
  const fromSpec = (spec: ModelSpec): Case => ({ model: buildModel(spec), spec });
  const cases: [string, () => Case][] = [
    ["alexnet", () => fromSpec(alexnet())],
    ["alexnet-cifar10", () => fromSpec(alexnetCifar10())],
    ["code", () => ({ model: codeModel() })],
    ["channels-first", () => ({ model: channelsFirstModel() })],
    ["shared", () => ({ model: sharingModel() })],
    ...randomSpecs(40).map((spec, index): [string, () => Case] => [`random-${index}`, () => fromSpec(spec)]),
  ];
  for (const [name, make] of cases) expected.set(name, await write(name, make()));
});

test.skipIf(lack !== "")(`an exported ONNX model is valid, and ONNX Runtime computes the same logits${lack}`, () => {
  const script = fileURLToPath(new URL("../../../../test/fixtures/onnx_logits.py", import.meta.url));
  const about = JSON.parse(execFileSync(python, [script, dir], { encoding: "utf8" }));
  expect(about.code).toEqual({
    input: ["images", "batch", 3, 11, 14],
    output: ["logits", "batch", 4],
    metadata: facts.metadata,
  });
  for (const [name, { due }] of expected) {
    assertSameLogits(name, new Float32Array(new Uint8Array(readFileSync(join(dir, `${name}.logits.f32`))).buffer), due);
  }
});

test("an exported ONNX model that is read back and interpreted computes the same logits", () => {
  for (const [name, { due, own }] of expected) assertSameLogits(name, own, due);
});
