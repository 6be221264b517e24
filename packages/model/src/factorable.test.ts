import { tf } from "@lockstep/engine";
import { beforeAll, describe, expect, test } from "vitest";
import { alexnetCifar10 } from "./alexnet-cifar10.ts";
import { buildModel } from "./build.ts";
import { factorableLayers } from "./factorable.ts";

beforeAll(() => tf.setBackend("cpu"));

const apply = (layer: tf.layers.Layer, input: tf.SymbolicTensor) => layer.apply(input) as tf.SymbolicTensor;
const dense = (name: string, units = 4) => tf.layers.dense({ name, units });

describe("factorableLayers", () => {
  test("are the three fully connected ones of AlexNet", () => {
    expect(factorableLayers(buildModel(alexnetCifar10()))).toEqual(["fc1", "fc2", "fc3"]);
  });

  test("leave out a layer that is used twice, one on input of rank 3, and one in a wrapper", () => {
    const twice = dense("twice");
    const inputs = tf.input({ shape: [3, 4] });
    let x = apply(dense("wide"), inputs);
    x = apply(tf.layers.timeDistributed({ name: "wrapped", layer: dense("inner") }), x);
    x = apply(dense("first"), apply(tf.layers.flatten(), x));
    x = apply(dense("last"), apply(twice, apply(twice, x)));
    expect(factorableLayers(tf.model({ inputs, outputs: x }))).toEqual(["first", "last"]);
  });

  test("leave out the layers of a model inside the model", () => {
    const part = tf.sequential({ layers: [tf.layers.dense({ name: "deep", units: 4, inputShape: [4] })] });
    expect(factorableLayers(tf.sequential({ layers: [part, dense("top"), part] }))).toEqual(["top"]);
  });
});
