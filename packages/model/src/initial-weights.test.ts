import { tf } from "@lockstep/engine";
import { beforeAll, describe, expect, test } from "vitest";
import { alexnetCifar10 } from "./alexnet-cifar10.ts";
import { buildModel } from "./build.ts";
import { type Init, initialWeights } from "./initial-weights.ts";
import { layerNames, type ModelSpec } from "./spec.ts";
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
  const named = new Map(stateDictNames(model, spec).map(({ name }, k) => [name, values[k]!]));
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
const inputsOf = (name: string) => fanIn[name.split(".")[0]!]!;

describe("initialWeights", () => {
  test("pytorch: kernels and biases are uniform in ±1/√fan_in", async () => {
    for (const [name, values] of await draw("pytorch")) {
      const bound = 1 / Math.sqrt(inputsOf(name));
      expect(largest(values), name).toBeLessThanOrEqual(bound);
      if (values.length < 200) continue;
      expect(largest(values) / bound, name).toBeGreaterThan(0.95);
      expect(deviation(values) / (bound / Math.sqrt(3)), name).toBeCloseTo(1, 0.9);
    }
  });

  test("he: kernels are normal with variance 2/fan_in, biases 0", async () => {
    const drawn = await draw("he");
    for (const [name, values] of kernels(drawn)) {
      expect(Math.abs(deviation(values) / Math.sqrt(2 / inputsOf(name)) - 1), name).toBeLessThan(0.1);
      expect(largest(values) / Math.sqrt(2 / inputsOf(name)), name).toBeGreaterThan(2.5);
    }
    for (const [name, values] of drawn) if (name.endsWith("bias")) expect(largest(values), name).toBe(0);
  });

  test("paper: kernels are normal with deviation 0.01; biases are 1 in conv 2, 4, 5 and the hidden dense layers", async () => {
    const drawn = await draw("paper");
    for (const [name, values] of kernels(drawn)) expect(Math.abs(deviation(values) / 0.01 - 1), name).toBeLessThan(0.1);
    const biases = [...drawn].filter(([name]) => name.endsWith("bias"));
    for (const [name, values] of biases) expect(new Set(values).size, name).toBe(1);
    const ones = biases.filter(([, values]) => values[0] === 1).map(([name]) => name.split(".")[0]);
    expect(ones).toEqual(["conv2", "conv4", "conv5", "fc1", "fc2"]);
  });

  test("the seed decides everything: same seed same bits, another seed other numbers in every layer", async () => {
    const [first, again, other] = [await draw("pytorch", 1), await draw("pytorch", 1), await draw("pytorch", 2)];
    for (const [name, values] of first) {
      expect(again.get(name), name).toEqual(values);
      expect(other.get(name), name).not.toEqual(values);
    }
  });

  test("layers of the same shape get different numbers", async () => {
    const model = buildModel({ ...spec, inputShape: [4, 4, 1], layers: [...twins] });
    const [first, , second] = await initialWeights(model, { init: "pytorch", seed: 0 });
    expect(first).not.toEqual(second);
  });
  const twins = [
    { type: "flatten" } as const,
    { type: "dense", name: "a", units: 16 } as const,
    { type: "dense", name: "b", units: 16 } as const,
  ];

  test("layers of other kinds: matrices are drawn, vectors keep their layer's constant", async () => {
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
    expect(largest(kernel!)).toBeLessThanOrEqual(1 / 2);
    expect(largest(recurrent!)).toBeGreaterThan(0);
    expect([...lstmBias!]).toEqual([0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0]); // the forget gate starts open
    expect([...gamma!, ...beta!]).toEqual([1, 1, 1, 0, 0, 0]);
    expect(await initialWeights(model, { init: "pytorch", seed: 5 })).toEqual(drawn);
  });

  test("a depthwise kernel counts its window as its inputs, since it reads one channel", async () => {
    const model = tf.sequential({
      layers: [tf.layers.depthwiseConv2d({ inputShape: [8, 8, 64], kernelSize: 3, useBias: false })],
    });
    const [kernel] = await initialWeights(model, { init: "pytorch", seed: 0 });
    expect(largest(kernel!)).toBeLessThanOrEqual(1 / 3);
    expect(largest(kernel!)).toBeGreaterThan(0.95 / 3);
  });

  test("a vector that its layer drew at random is refused, because the seed cannot repeat it", async () => {
    const model = tf.sequential({
      layers: [tf.layers.layerNormalization({ inputShape: [8], gammaInitializer: "randomNormal", name: "norm" })],
    });
    await expect(initialWeights(model, { init: "pytorch", seed: 0 })).rejects.toThrow(
      /^The initialiser of norm\/gamma \[8\] drew random values.*constant initialiser/,
    );
  });
});

test("the spec of these tests has AlexNet's layers", () => {
  expect(layerNames(spec)).toEqual(layerNames(alexnetCifar10()));
});
