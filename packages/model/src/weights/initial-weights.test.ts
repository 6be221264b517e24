/** Checks drawn weights by their mean, deviation and range, for each rule and kind of layer. */
import { tf } from "@lockstep/engine";
import { defined } from "@lockstep/testing";
import { beforeAll, expect, test } from "vitest";
import { alexnetCifar10 } from "../architectures/alexnet-cifar10.ts";
import { buildModel } from "../spec/build.ts";
import { layerNames, type ModelSpec } from "../spec/spec.ts";
import type { Init } from "./init.ts";
import { initialWeights } from "./initial-weights.ts";
import { stateDictNames } from "./state-dict.ts";

beforeAll(() => tf.setBackend("cpu"));

/** AlexNet's kinds of layers at a size that is quick to draw. */
const spec: ModelSpec = {
  ...alexnetCifar10(),
  layers: alexnetCifar10().layers.map((layer) => {
    if (layer.type === "conv") return { ...layer, filters: layer.filters / 8 };
    return layer.type === "dense" ? { ...layer, units: Math.ceil(layer.units / 16) } : layer;
  }),
};

async function draw(init: Init, seed = 0): Promise<Map<string, Float32Array>> {
  const model = buildModel(spec);
  const values = await initialWeights(model, { init, seed });
  const named = new Map(stateDictNames(model, spec).map(({ name }, k) => [name, defined(values[k])]));
  model.dispose();
  return named;
}

const mean = (values: Float32Array) => values.reduce((sum, value) => sum + value, 0) / values.length;
const deviation = (values: Float32Array) => Math.sqrt(mean(values.map((value) => value ** 2)) - mean(values) ** 2);
const largest = (values: Float32Array) => values.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
const kernels = (drawn: Map<string, Float32Array>) => [...drawn].filter(([name]) => name.endsWith("weight"));

/** Inputs of each layer of the spec: channels × 9, or features. */
const fanIn: Record<string, number> = {
  conv1: 27,
  conv2: 72,
  conv3: 288,
  conv4: 432,
  conv5: 288,
  fc1: 512,
  fc2: 256,
  fc3: 256,
};
const inputsOf = (name: string) => defined(fanIn[defined(name.split(".")[0])]);

test("with --init pytorch, kernels and biases are uniform in ±1/√fan_in", async () => {
  for (const [name, values] of await draw("pytorch")) {
    const bound = 1 / Math.sqrt(inputsOf(name));
    expect(largest(values), name).toBeLessThanOrEqual(bound);
    if (values.length < 200) continue;
    expect(largest(values) / bound, name).toBeGreaterThan(0.95);
    expect(deviation(values) / (bound / Math.sqrt(3)), name).toBeCloseTo(1, 0.9);
  }
});

test("with --init he, kernels are normal with variance 2/fan_in, and biases are 0", async () => {
  const drawn = await draw("he");
  for (const [name, values] of kernels(drawn)) {
    expect(Math.abs(deviation(values) / Math.sqrt(2 / inputsOf(name)) - 1), name).toBeLessThan(0.1);
    expect(largest(values) / Math.sqrt(2 / inputsOf(name)), name).toBeGreaterThan(2.5);
  }
  for (const [name, values] of drawn) if (name.endsWith("bias")) expect(largest(values), name).toBe(0);
});

test("with --init paper, kernels are normal with deviation 0.01, and biases are 1 in conv 2, 4, 5 and the hidden dense layers", async () => {
  const drawn = await draw("paper");
  for (const [name, values] of kernels(drawn)) expect(Math.abs(deviation(values) / 0.01 - 1), name).toBeLessThan(0.1);
  const biases = [...drawn].filter(([name]) => name.endsWith("bias"));
  for (const [name, values] of biases) expect(new Set(values).size, name).toBe(1);
  const ones = biases.filter(([, values]) => values[0] === 1).map(([name]) => name.split(".")[0]);
  expect(ones).toEqual(["conv2", "conv4", "conv5", "fc1", "fc2"]);
});

test("the same seed draws the same bits, and another seed draws other numbers in every layer", async () => {
  const [first, again, other] = [await draw("pytorch", 1), await draw("pytorch", 1), await draw("pytorch", 2)];
  for (const [name, values] of first) {
    expect(again.get(name), name).toEqual(values);
    expect(other.get(name), name).not.toEqual(values);
  }
});

test("layers of the same shape start with different weights", async () => {
  const model = buildModel({ ...spec, inputShape: [4, 4, 1], layers: [...twins] });
  const [first, , second] = await initialWeights(model, { init: "pytorch", seed: 0 });
  expect(first).not.toEqual(second);
});
const twins = [
  { type: "flatten" } as const,
  { type: "dense", name: "a", units: 16 } as const,
  { type: "dense", name: "b", units: 16 } as const,
];

test("in layers of other kinds, matrices are drawn and vectors keep their layer's constant", async () => {
  const model = tf.sequential({
    layers: [
      tf.layers.reshape({ inputShape: [4, 4, 2], targetShape: [8, 4] }),
      tf.layers.lstm({ units: 3, recurrentInitializer: "zeros", unitForgetBias: true }),
      tf.layers.layerNormalization(),
      tf.layers.dense({ units: 2 }),
    ],
  });
  const drawn = await initialWeights(model, { init: "pytorch", seed: 5 });
  const [kernel, recurrent, lstmBias, gamma, beta] = drawn;
  expect(largest(defined(kernel))).toBeLessThanOrEqual(1 / 2);
  expect(largest(defined(recurrent))).toBeGreaterThan(0);
  expect([...defined(lstmBias)]).toEqual([0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0]); // the forget gate starts open
  expect([...defined(gamma), ...defined(beta)]).toEqual([1, 1, 1, 0, 0, 0]);
  expect(await initialWeights(model, { init: "pytorch", seed: 5 })).toEqual(drawn);
});

test("a depthwise kernel counts its window as its inputs, since it reads one channel", async () => {
  const model = tf.sequential({
    layers: [tf.layers.depthwiseConv2d({ inputShape: [8, 8, 64], kernelSize: 3, useBias: false })],
  });
  const [kernel] = await initialWeights(model, { init: "pytorch", seed: 0 });
  expect(largest(defined(kernel))).toBeLessThanOrEqual(1 / 3);
  expect(largest(defined(kernel))).toBeGreaterThan(0.95 / 3);
});

test("only kernels are drawn by the rule, so a LayerNormalization over three axes starts at 1 and 0", async () => {
  const model = tf.sequential({
    layers: [
      tf.layers.conv2d({ inputShape: [8, 8, 3], filters: 4, kernelSize: 3, useBias: false }),
      tf.layers.layerNormalization({ axis: [1, 2, 3] }),
      tf.layers.prelu(),
      tf.layers.flatten(),
      tf.layers.dense({ units: 2, useBias: false }),
    ],
  });
  const [conv, gamma, beta, alpha, dense] = await initialWeights(model, { init: "pytorch", seed: 5 });
  expect([new Set(gamma), new Set(beta), new Set(alpha)]).toEqual([new Set([1]), new Set([0]), new Set([0])]);
  expect([largest(defined(conv)), largest(defined(dense))].every((value) => value > 0)).toBe(true);
});

test("a layer's own random initialiser is drawn from the seed: an Embedding's table, gamma, and a table of a custom layer", async () => {
  const model = tf.sequential({
    layers: [
      new Table({ name: "table", inputShape: [200] }),
      tf.layers.embedding({ inputDim: 50, outputDim: 40 }),
      tf.layers.layerNormalization({ gammaInitializer: "randomNormal", name: "norm" }),
    ],
  });
  const drawn = await initialWeights(model, { init: "he", seed: 5 });
  const [table, embeddings, gamma] = drawn;
  expect(largest(defined(table))).toBeLessThanOrEqual(0.25);
  expect(largest(defined(table))).toBeGreaterThan(0.24);
  expect(largest(defined(embeddings))).toBeLessThanOrEqual(0.05);
  expect(deviation(defined(embeddings)) / (0.1 / Math.sqrt(12))).toBeCloseTo(1, 1);
  expect(new Set(gamma).size).toBe(40);
  expect(await initialWeights(model, { init: "pytorch", seed: 5 })).toEqual(drawn);
  const others = await initialWeights(model, { init: "he", seed: 6 });
  for (const [index, values] of [table, embeddings, gamma].entries()) expect(others[index]).not.toEqual(values);
});

test("a custom initialiser is refused if it draws other numbers each time, and kept if it returns the same twice", async () => {
  const withGamma = (gammaInitializer: unknown) => {
    const args = { inputShape: [8], name: "norm", gammaInitializer } as Parameters<
      typeof tf.layers.layerNormalization
    >[0];
    return initialWeights(tf.sequential({ layers: [tf.layers.layerNormalization(args)] }), { seed: 0 });
  };
  class Own extends (tf.initializers.zeros().constructor as new () => object) {
    values: (shape: number[]) => tf.Tensor;
    constructor(values: (shape: number[]) => tf.Tensor) {
      super();
      this.values = values;
    }
    static className = "Own";
    apply(shape: number[]) {
      return this.values(shape);
    }
  }
  const [ramp] = await withGamma(new Own(([length]) => tf.range(0, defined(length))));
  expect([...defined(ramp)]).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  await expect(withGamma(new Own((shape) => tf.randomNormal(shape)))).rejects.toThrow(
    /^The weight norm\/gamma \[8\] has a custom initializer \(Own\).*--seed cannot repeat it/,
  );
});

/** A layer of the user's own that adds a table to its input, and calls it a kernel. */
class Table extends tf.layers.Layer {
  static className = "Table";
  table: tf.LayerVariable | undefined;
  override build(shape: tf.Shape) {
    const initializer = tf.initializers.randomUniform({ minval: -0.25, maxval: 0.25 });
    this.table = this.addWeight("kernel", [defined(shape.at(-1)), 1], "float32", initializer);
    super.build(shape);
  }
  override call(inputs: tf.Tensor | tf.Tensor[]) {
    return tf.tidy(() => tf.add(defined([inputs].flat()[0]), defined(this.table).read().squeeze()));
  }
}

test("the spec of these tests has the layers of AlexNet", () => {
  expect(layerNames(spec)).toEqual(layerNames(alexnetCifar10()));
});
