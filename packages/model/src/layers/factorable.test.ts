/** Checks which kernels may travel as factors, in models with shared, wrapped and nested layers. */
import { tf } from "@lockstep/engine";
import { defined } from "@lockstep/testing";
import { beforeAll, describe, expect, test } from "vitest";
import { alexnetCifar10 } from "../architectures/alexnet-cifar10.ts";
import { buildModel } from "../spec/build.ts";
import { applied } from "../testing/tensors.ts";
import { factorableKernels } from "./factorable.ts";

beforeAll(() => tf.setBackend("cpu"));

const apply = (layer: tf.layers.Layer, input: tf.SymbolicTensor) => applied(layer, input);
const dense = (name: string, units = 4) => tf.layers.dense({ name, units });
const factorable = (model: tf.LayersModel) =>
  factorableKernels(model).map((index) => defined(model.weights[index]).originalName);

describe("factorableKernels", () => {
  test("are the three fully connected ones of AlexNet", () => {
    expect(factorable(buildModel(alexnetCifar10()))).toEqual(["fc1/kernel", "fc2/kernel", "fc3/kernel"]);
  });

  test("leave out a layer that is used twice, one on input of rank 3, and one in a wrapper", () => {
    const twice = dense("twice");
    const inputs = tf.input({ shape: [3, 4] });
    let x = apply(dense("wide"), inputs);
    x = apply(tf.layers.timeDistributed({ name: "wrapped", layer: dense("inner") }), x);
    x = apply(dense("first"), apply(tf.layers.flatten(), x));
    x = apply(dense("last"), apply(twice, apply(twice, x)));
    expect(factorable(tf.model({ inputs, outputs: x }))).toEqual(["first/kernel", "last/kernel"]);
  });

  test("are those of a model inside the model, too, if it is applied once", () => {
    const part = (name: string) =>
      tf.sequential({ name, layers: [tf.layers.dense({ name: `${name}_dense`, units: 4, inputShape: [4] })] });
    const [once, twice] = [part("once"), part("twice")] as const;
    const inputs = tf.input({ shape: [4] });
    const x = apply(twice, apply(dense("top"), apply(twice, apply(once, inputs))));
    expect(factorable(tf.model({ inputs, outputs: x }))).toEqual(["once_dense/kernel", "top/kernel"]);
  });

  test("leave out a layer without a bias", () => {
    const inputs = tf.input({ shape: [4] });
    const x = apply(tf.layers.dense({ units: 4, useBias: false }), inputs);
    expect(factorable(tf.model({ inputs, outputs: x }))).toEqual([]);
  });
});
