/** Tests in PyTorch the state dict of models that apply a layer object or a nested model several times. */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { startEngine, tf } from "@lockstep/engine";
import { writeSafetensors } from "@lockstep/formats";
import { initialWeights, stateDictNames, toStateDict } from "@lockstep/model";
import { defined, missingModules, python, test } from "@lockstep/testing";
import { expect } from "vitest";

const { layers } = tf;
const lack = missingModules("torch, safetensors, numpy");

await startEngine({});

type Layer = tf.layers.Layer;
const image = () => tf.input({ shape: [6, 8, 3] });
const chain = (inputs: tf.SymbolicTensor, ...layers: Layer[]) =>
  layers.reduce((x, layer) => layer.apply(x) as tf.SymbolicTensor, inputs);
const dense = (name: string, units: number) => layers.dense({ name, units });
const conv = (name: string, filters: number) => layers.conv2d({ name, filters, kernelSize: 3, padding: "same" });
const added = (...values: tf.SymbolicTensor[]) => layers.add().apply(values) as tf.SymbolicTensor;
const head = () => {
  const inputs = tf.input({ shape: [144] });
  return tf.model({ name: "head", inputs, outputs: chain(inputs, dense("fc", 5)) });
};

/** Models. Each has a counterpart of the same name in shared_layers.py. */
const models: Record<string, () => tf.LayersModel> = {
  ReluBeforeAndBetween() {
    const [inputs, relu] = [image(), layers.reLU()];
    const outputs = chain(inputs, layers.flatten(), relu, dense("fc1", 16), relu, dense("fc2", 5));
    return tf.model({ inputs, outputs });
  },
  DenseAfterTwoFlattenedImages() {
    const [inputs, flatten, fc] = [image(), layers.flatten(), dense("fc", 5)];
    const [a, b] = [conv("a", 4), conv("b", 4)];
    return tf.model({ inputs, outputs: added(chain(inputs, a, flatten, fc), chain(inputs, b, flatten, fc)) });
  },
  DenseOnItsOwnOutput() {
    const [inputs, twice] = [image(), dense("twice", 7)];
    return tf.model({
      inputs,
      outputs: chain(inputs, layers.flatten(), dense("first", 7), twice, twice, dense("last", 5)),
    });
  },
  DenseAfterSumOfFlattenedImages() {
    const [inputs, flatten, relu] = [image(), layers.flatten(), layers.reLU()];
    const flat = (name: string) => chain(inputs, conv(name, 4), flatten, relu);
    return tf.model({ inputs, outputs: chain(added(flat("a"), flat("b")), relu, dense("fc", 5)) });
  },
  FlattenInOneModelAndDenseInAnother() {
    const [inner, outer, inputs] = [image(), image(), image()];
    const shared = conv("conv", 3);
    const block = tf.model({ name: "block", inputs: inner, outputs: chain(inner, shared, layers.reLU(), shared) });
    const body = tf.model({ name: "body", inputs: outer, outputs: chain(outer, block, block, layers.flatten()) });
    return tf.model({ inputs, outputs: chain(inputs, body, layers.reLU(), head()) });
  },
  FlattenOutsideAndDenseInside() {
    const [inputs, flatten, end] = [image(), layers.flatten(), head()];
    return tf.model({
      inputs,
      outputs: added(chain(inputs, conv("conv", 3), flatten, end), chain(inputs, flatten, end)),
    });
  },
};

test.skipIf(lack !== "")(
  `the state dict of a model with shared layers gives the same predictions in PyTorch${lack}`,
  async ({ folder }) => {
    const images = tf.randomUniform([4, 6, 8, 3], -1, 1, "float32", 7);
    writeFileSync(join(folder, "images.f32"), images.dataSync());
    const expected = new Map<string, Float32Array>();
    for (const [name, make] of Object.entries(models)) {
      const model = make();
      const values = await initialWeights(model, { init: "pytorch", seed: 5 });
      model.setWeights(model.weights.map(({ shape }, index) => tf.tensor(defined(values[index]), shape as number[])));
      const dict = toStateDict(stateDictNames(model), values);
      const tensors = [...dict].map(([name, tensor]) => ({ name, ...tensor }));
      await writeSafetensors(join(folder, `${name}.safetensors`), tensors, {});
      expected.set(name, (model.predict(images) as tf.Tensor).dataSync() as Float32Array);
    }
    execFileSync(python, [fileURLToPath(new URL("../fixtures/shared_layers.py", import.meta.url)), folder]);
    for (const [name, logits] of expected) {
      const actual = new Float32Array(new Uint8Array(readFileSync(join(folder, `${name}.logits.f32`))).buffer);
      expect(actual.length, name).toBe(logits.length);
      const error = Math.max(...logits.map((value, i) => Math.abs(value - defined(actual[i]))));
      expect(error, name).toBeLessThan(1e-5);
    }
  },
);
