/** Checks which kernels may be sent as factors, in models with shared, wrapped and nested layers. */
import { tf } from "@lockstep/engine";
import { defined } from "@lockstep/testing";
import { beforeAll, expect, test } from "vitest";
import { alexnetCifar10 } from "../architectures/alexnet-cifar10.ts";
import { buildModel } from "../spec/build.ts";
import { applied } from "../testing/tensors.ts";
import { factorableKernels } from "./factorable.ts";

beforeAll(() => tf.setBackend("cpu"));

const apply = (layer: tf.layers.Layer, input: tf.SymbolicTensor) => applied(layer, input);
const dense = (name: string, units = 4) => tf.layers.dense({ name, units });
const factorable = (model: tf.LayersModel) =>
  factorableKernels(model).map((index) => defined(model.weights[index]).originalName);

test("the factorable kernels of AlexNet are those of its three fully connected layers", () => {
  expect(factorable(buildModel(alexnetCifar10()))).toEqual(["fc1/kernel", "fc2/kernel", "fc3/kernel"]);
});

test("a layer that is used twice, has an input of rank 3 or is in a wrapper has no factorable kernel", () => {
  const twice = dense("twice");
  const inputs = tf.input({ shape: [3, 4] });
  let x = apply(dense("wide"), inputs);
  x = apply(tf.layers.timeDistributed({ name: "wrapped", layer: dense("inner") }), x);
  x = apply(dense("first"), apply(tf.layers.flatten(), x));
  x = apply(dense("last"), apply(twice, apply(twice, x)));
  expect(factorable(tf.model({ inputs, outputs: x }))).toEqual(["first/kernel", "last/kernel"]);
});

test("the layers of a nested model have factorable kernels if it is applied once", () => {
  const part = (name: string) =>
    tf.sequential({ name, layers: [tf.layers.dense({ name: `${name}_dense`, units: 4, inputShape: [4] })] });
  const [once, twice] = [part("once"), part("twice")] as const;
  const inputs = tf.input({ shape: [4] });
  const x = apply(twice, apply(dense("top"), apply(twice, apply(once, inputs))));
  expect(factorable(tf.model({ inputs, outputs: x }))).toEqual(["once_dense/kernel", "top/kernel"]);
});

test("a layer without a bias has no factorable kernel", () => {
  const inputs = tf.input({ shape: [4] });
  const x = apply(tf.layers.dense({ units: 4, useBias: false }), inputs);
  expect(factorable(tf.model({ inputs, outputs: x }))).toEqual([]);
});
