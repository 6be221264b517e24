import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { startEngine, tf } from "@lockstep/engine";
import { readOnnx } from "@lockstep/formats";
import { defined } from "@lockstep/testing";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { alexnet } from "../architectures/alexnet.ts";
import { alexnetCifar10 } from "../architectures/alexnet-cifar10.ts";
import { buildModel } from "../spec/build.ts";
import type { ModelSpec } from "../spec/spec.ts";
import { specs } from "../testing/small-specs.ts";
import { initialWeights } from "../weights/initial-weights.ts";
import { stateDictNames, toStateDict } from "../weights/state-dict.ts";
import { onnxGraphOf } from "./onnx-graph.ts";
import { encodeOnnxModel } from "./onnx-model.ts";
import { runOnnx } from "./onnx-run.ts";

const python = process.env["LOCKSTEP_TEST_PYTHON"] ?? "python3";
/** Why a test can't run, for its name; empty if it can. */
const lack = (() => {
  try {
    execFileSync(python, ["-c", "import onnx, onnxruntime, numpy"], { stdio: "pipe" });
    return "";
  } catch {
    return " (needs onnx, onnxruntime and numpy in LOCKSTEP_TEST_PYTHON)";
  }
})();

const { layers } = tf;
const facts = { producerVersion: "0", input: "", output: "", metadata: { classes: '["a","b"]' } };

let dir: string;
beforeAll(async () => {
  await startEngine({});
  dir = mkdtempSync(join(tmpdir(), "lockstep-onnx-"));
});
afterAll(() => rmSync(dir, { recursive: true }));

/** The documented model with a shortcut, and every setting that a spec can't express. Its images are not square. */
function codeModel(): tf.LayersModel {
  const images = tf.input({ shape: [11, 14, 3] });
  const conv = (name: string, options: object) =>
    layers.conv2d({ name, filters: 5, kernelSize: 3, padding: "same", ...options });
  let x = conv("conv1", { activation: "relu" }).apply(images); //                                       [batch, 11, 14, 5]
  x = layers.maxPooling2d({ poolSize: [3, 2], strides: [2, 3], padding: "same" }).apply(x); //         [batch, 6, 5, 5]
  x = layers.add().apply([x, conv("conv2", { kernelSize: [2, 3], useBias: false }).apply(x)] as tf.SymbolicTensor[]);
  x = layers.activation({ activation: "relu" }).apply(x);
  x = layers.averagePooling2d({ poolSize: 2, strides: 1, padding: "same" }).apply(x); //               [batch, 6, 5, 5]
  x = layers
    .zeroPadding2d({
      padding: [
        [1, 2],
        [0, 3],
      ],
    })
    .apply(x); //                                 [batch, 9, 8, 5]
  x = layers.reLU().apply(conv("conv3", { dilationRate: 2 }).apply(x)); //                                             [batch, 9, 8, 5]
  x = layers.dropout({ rate: 0.1 }).apply(layers.globalAveragePooling2d({}).apply(x)); //              [batch, 5]
  x = layers.dense({ name: "logits", units: 4 }).apply(x); //                                          [batch, 4]
  return tf.model({ inputs: images, outputs: x as tf.SymbolicTensor });
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
  const chain = (inputs: tf.SymbolicTensor, parts: tf.layers.Layer[]) =>
    parts.reduce((x, part) => part.apply(x) as tf.SymbolicTensor, inputs);
  const relu = layers.activation({ name: "relu", activation: "relu" });
  const conv = layers.conv2d({ name: "conv", filters: 3, kernelSize: 3, padding: "same" });
  const image = () => tf.input({ shape: [5, 6, 3] });
  const [inner, outer, images] = [image(), image(), image()];
  const block = tf.model({ inputs: inner, outputs: chain(inner, [conv, relu, conv]) });
  const body = tf.model({ inputs: outer, outputs: chain(outer, [block, relu, block, layers.flatten()]) });
  const fc = layers.dense({ name: "fc", units: 7 });
  const square = layers.dense({ name: "square", units: 7 });
  return tf.model({
    inputs: images,
    outputs: chain(images, [body, fc, relu, square, relu, square, layers.dense({ name: "logits", units: 4 })]),
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
  model.setWeights(model.weights.map(({ shape }, index) => tf.tensor(defined(values[index]), shape as number[])));
  const names = stateDictNames(model, spec);
  writeFileSync(
    join(dir, `${name}.onnx`),
    Buffer.concat(encodeOnnxModel(onnxGraphOf(model, names), toStateDict(names, values), facts)),
  );
  const [, ...shape] = defined(model.inputs[0]).shape as number[];
  const images = tf.randomUniform([2, ...shape], -1, 1, "float32", 7);
  writeFileSync(join(dir, `${name}.images.f32`), images.dataSync());
  const due = (model.predict(images) as tf.Tensor).dataSync() as Float32Array;
  const program = readOnnx(readFileSync(join(dir, `${name}.onnx`)));
  const own = runOnnx(program, images as tf.Tensor4D).dataSync() as Float32Array;
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
 * Random specs that TensorFlow.js can express, always the same ones. Left out is what PyTorch refuses and ONNX Runtime's
 * own fusions stumble over: means of windows that lie in the padding whole.
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

describe("an ONNX model", () => {
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

  test.skipIf(lack !== "")(`is valid, and gives ONNX Runtime the same logits${lack}`, () => {
    const script = fileURLToPath(new URL("../../../../test/fixtures/onnx_logits.py", import.meta.url));
    const about = JSON.parse(execFileSync(python, [script, dir], { encoding: "utf8" }));
    expect(about.code).toEqual({
      input: ["images", "batch", 3, 11, 14],
      output: ["logits", "batch", 4],
      metadata: facts.metadata,
    });
    for (const [name, { due }] of expected) {
      assertSameLogits(
        name,
        new Float32Array(new Uint8Array(readFileSync(join(dir, `${name}.logits.f32`))).buffer),
        due,
      );
    }
  });

  test("read back and interpreted, gives the same logits", () => {
    for (const [name, { due, own }] of expected) assertSameLogits(name, own, due);
  });

  const ofImages = (...parts: tf.layers.Layer[]) =>
    tf.sequential({ layers: [layers.conv2d({ inputShape: [4, 4, 3], filters: 2, kernelSize: 1 }), ...parts] });
  /** An image and its means, which TensorFlow.js would add to each pixel. */
  const addedMeans = () => {
    const images = tf.input({ shape: [4, 4, 2] });
    const means = layers.globalAveragePooling2d({}).apply(images) as tf.SymbolicTensor;
    const sum = layers.add({ name: "sum" }).apply([images, means]);
    return tf.model({ inputs: images, outputs: layers.flatten().apply(sum) as tf.SymbolicTensor });
  };
  const refused: [string, tf.LayersModel, RegExp][] = [
    [
      "of a layer that ONNX export does not know",
      ofImages(layers.layerNormalization({ name: "norm" }), layers.flatten()),
      /^Cannot export layer norm \(LayerNormalization\) to ONNX: the ONNX export does not support this layer\. Use --to tfjs/,
    ],
    [
      "of another activation",
      ofImages(layers.flatten(), layers.dense({ name: "fc", units: 3, activation: "tanh" })),
      /layer fc \(Dense\) to ONNX: its activation is "tanh"/,
    ],
    [
      "of a ReLU layer with a cap",
      ofImages(layers.reLU({ name: "relu6", maxValue: 6 }), layers.flatten()),
      /layer relu6 \(ReLU\) to ONNX: its maxValue is 6/,
    ],
    [
      "of channels that come first",
      ofImages(layers.maxPooling2d({ name: "pool", dataFormat: "channelsFirst" }), layers.flatten()),
      /layer pool \(MaxPooling2D\) to ONNX: its dataFormat is "channelsFirst"/,
    ],
    [
      "of Dense on an image",
      ofImages(layers.dense({ name: "fc", units: 3 }), layers.flatten()),
      /layer fc .*: expected a row of values as its input, got \[4, 4, 2\]/,
    ],
    ["of Add on a row of numbers", addedMeans(), /layer sum \(Add\) .*: expected an image as its input, got \[2\]/],
    [
      "that ends with a flattened image",
      ofImages(layers.flatten({ name: "flat" }), layers.dropout({ name: "end", rate: 0.5 })),
      /layer end .*: a flattened image cannot be the output/,
    ],
    [
      "of frozen weights",
      ofImages(layers.flatten(), layers.dense({ name: "frozen", units: 3, trainable: false })),
      /frozen\/kernel is not trained/,
    ],
  ];
  test.each(refused)("%s is refused", (_, model, message) => {
    expect(() => onnxGraphOf(model, stateDictNames(model))).toThrow(message);
  });

  test("that ends with a flattened pixel has its channels in order", () => {
    const model = ofImages(layers.maxPooling2d({ poolSize: 4 }), layers.flatten());
    expect(onnxGraphOf(model, stateDictNames(model)).numClasses).toBe(2);
  });

  test("with weights that are not its own is refused", () => {
    const model = ofImages(layers.flatten(), layers.dense({ name: "fc", units: 3 }));
    const graph = onnxGraphOf(model, stateDictNames(model));
    expect(() => encodeOnnxModel(graph, new Map(), facts)).toThrow("fc.weight is missing");
  });
});
