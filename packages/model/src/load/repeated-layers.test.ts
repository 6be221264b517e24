/** Checks models that hold one layer several times, by their predictions before and after a save. */
import { tf } from "@lockstep/engine";
import { defined } from "@lockstep/testing";
import { beforeAll, expect, test } from "vitest";
import { assertTrainable } from "../checks/assert-trainable.ts";
import { applied, predicted } from "../testing/tensors.ts";
import { stableTopology } from "../tfjs/stable-topology.ts";
import { tfjsTopologyOf } from "../tfjs/tfjs-topology.ts";
import { stateDictNames } from "../weights/state-dict.ts";
import { countRepeatedLayersOnce } from "./repeated-layers.ts";

beforeAll(() => tf.setBackend("cpu"));

const { layers } = tf;

/** Dense, ReLU and a model, each of them twice, in a Sequential. */
function repeating(name?: string): tf.Sequential {
  const relu = layers.reLU();
  const twice = layers.dense({ name: "twice", units: 4, activation: "tanh" });
  const part = tf.sequential({ name: "part", layers: [layers.dense({ name: "inner", units: 4, inputShape: [4] })] });
  return tf.sequential({
    ...(name && { name }),
    layers: [
      layers.flatten({ inputShape: [2, 2, 1] }),
      ...[part, relu, twice, part, twice, relu],
      layers.dense({ units: 3 }),
    ],
  });
}

const makers: [string, () => tf.LayersModel][] = [
  ["a Sequential", repeating],
  [
    "a Sequential inside a model",
    () => {
      const inputs = tf.input({ shape: [2, 2, 1] });
      return tf.model({ inputs, outputs: applied(repeating(), inputs) });
    },
  ],
];

/** Returns a new model whose repeated layers count once. */
function prepared(make: () => tf.LayersModel): tf.LayersModel {
  const model = make();
  countRepeatedLayersOnce(model);
  return model;
}

test.each(makers)("%s with repeated layers has the weights of each layer once", async (_, make) => {
  const model = prepared(make);
  const names = stateDictNames(model).map(({ name }) => name.split(".").slice(-2).join("."));
  expect(names).toEqual([
    ...["inner.weight", "inner.bias", "twice.weight", "twice.bias"],
    ...names.slice(-2), // those of the last layer, which has no name
  ]);
  await assertTrainable(model, { numClasses: 3 });
});

test.each(makers)(
  "%s with repeated layers gives the same predictions, also after it is saved and loaded",
  async (_, make) => {
    const model = make();
    const images = tf.randomUniform([5, 2, 2, 1], -1, 1, "float32", 3);
    const expected = predicted(model, images).arraySync();
    countRepeatedLayersOnce(model);
    expect(predicted(model, images).arraySync()).toEqual(expected);
    const loaded = await tf.models.modelFromJSON(model.toJSON(null, false) as never);
    loaded.setWeights(model.getWeights());
    expect(predicted(loaded, images).arraySync()).toEqual(expected);
  },
);

test.each(makers)("%s with repeated layers has the same topology text each time it is made", (_, make) => {
  const textOf = (model: tf.LayersModel) => stableTopology(tfjsTopologyOf(model, stateDictNames(model)));
  expect(textOf(prepared(make))).toBe(textOf(prepared(make)));
});

test("a repeated layer may have the name of a layer in another model", async () => {
  const fc = () => layers.dense({ name: "fc", units: 4 });
  const twice = fc();
  const inner = tf.sequential({ layers: [layers.reshape({ targetShape: [4], inputShape: [2, 2, 1] }), twice, twice] });
  const inputs = tf.input({ shape: [2, 2, 1] });
  const model = tf.model({ inputs, outputs: applied(fc(), inner.apply(inputs)) });
  countRepeatedLayersOnce(model);
  const { modelTopology, weights } = tfjsTopologyOf(model, stateDictNames(model));
  expect(weights.map(({ name }) => name)).toEqual(["fc/kernel", "fc/bias", "fc_1/kernel", "fc_1/bias"]);
  const loaded = await tf.models.modelFromJSON(modelTopology as never);
  loaded.loadWeights(Object.fromEntries(weights.map(({ name }, index) => [name, defined(model.getWeights()[index])])));
  const images = tf.randomUniform([5, 2, 2, 1], -1, 1, "float32", 3);
  expect(predicted(loaded, images).arraySync()).toEqual(predicted(model, images).arraySync());
});

test("layers without a name keep their default names beside a repeated layer without weights", () => {
  const relu = layers.reLU();
  const model = tf.sequential({
    layers: [
      layers.dense({ units: 2, inputShape: [2] }),
      relu,
      layers.dense({ units: 2 }),
      relu,
      layers.dense({ units: 2 }),
    ],
  });
  countRepeatedLayersOnce(model);
  const kernels = stateDictNames(model).filter(({ name }) => name.endsWith("weight"));
  expect(kernels.map(({ name }) => name)).toEqual(["dense_0.weight", "dense_2.weight", "dense_4.weight"]);
});
