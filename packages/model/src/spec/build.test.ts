/** Compares built models with a second implementation of PyTorch's layers, for random specs. */
import { tf } from "@lockstep/engine";
import { defined } from "@lockstep/testing";
import fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import { alexnetCifar10 } from "../architectures/alexnet-cifar10.ts";
import { specs, torchForward } from "../testing/small-specs.ts";
import { assignWeights, predicted } from "../testing/tensors.ts";
import { initialWeights } from "../weights/initial-weights.ts";
import { stateDictNames, toStateDict } from "../weights/state-dict.ts";
import { buildModel } from "./build.ts";
import { describeModel } from "./describe.ts";
import { layerNames, type ModelSpec } from "./spec.ts";

beforeAll(() => tf.setBackend("cpu"));

/** A spec whose sizes fit and whose max-pools TensorFlow.js has. */
function canBuild(spec: ModelSpec): boolean {
  try {
    buildModel(spec).dispose();
    return true;
  } catch (error) {
    expect(String(error)).toMatch(/does not fit into its input|cannot max-pool/);
    return false;
  }
}

const buildable = specs.filter(canBuild);

test("buildModel gives each layer the output that describeModel states", () => {
  fc.assert(
    fc.property(buildable, (spec) => {
      const model = buildModel(spec);
      const { rows, parameters } = describeModel(spec);
      for (const { layer, output } of rows) expect(model.getLayer(layer).outputShape).toEqual([null, ...output]);
      expect(model.countParams()).toBe(parameters);
      model.dispose();
    }),
    { numRuns: 60 },
  );
});

test("a built model computes what PyTorch's definitions give for weights in PyTorch's layouts", async () => {
  await fc.assert(
    fc.asyncProperty(buildable, fc.nat(1000), async (spec, seed) => {
      const model = buildModel(spec);
      const values = await initialWeights(model, { init: "pytorch", seed });
      const weights = values.map((value, k) => tf.tensor(value, defined(model.trainableWeights[k]).shape as number[]));
      model.setWeights(weights);
      const image = tf.randomUniform<tf.Rank.R3>(spec.inputShape, -1, 1, "float32", seed);
      const output = predicted(model, image.expandDims(0));
      const expected = torchForward(spec, toStateDict(stateDictNames(model, spec), values), [
        ...(await image.transpose([2, 0, 1]).data()),
      ]);
      for (const [i, value] of (await output.data()).entries()) expect(value).toBeCloseTo(defined(expected.data[i]), 4);
      tf.disposeVariables();
      tf.dispose([...weights, image, output]);
    }),
    { numRuns: 60 },
  );
});

test("a built model starts from zeros, names its layers as the spec does, and leaves no tensors when disposed of", () => {
  const before = tf.memory().numTensors;
  const model = buildModel(alexnetCifar10());
  expect(model.name).toBe("AlexNet_CIFAR10");
  expect(model.layers.map(({ name }) => name)).toEqual(["images", ...layerNames(alexnetCifar10())]);
  expect(defined(model.getWeights()[0]).abs().max().arraySync()).toBe(0);
  model.dispose();
  expect(tf.memory().numTensors).toBe(before + 2); // the two tensors of the line above: abs and max
});

test("tf.loadLayersModel loads a saved model that was built from a spec", async () => {
  const spec: ModelSpec = {
    name: "Saved",
    inputShape: [9, 9, 2],
    layers: [
      { type: "conv", name: "conv1", filters: 3, kernel: 5, stride: 2, padding: 1, activation: "relu" },
      { type: "avgPool", kernel: 2, stride: 1, padding: 1 },
      { type: "flatten" },
      { type: "dropout", rate: 0.5 },
      { type: "dense", name: "fc1", units: 4 },
    ],
  };
  const model = buildModel(spec);
  const values = await initialWeights(model, { init: "he", seed: 1 });
  assignWeights(model, values);
  const artifacts = await new Promise<tf.io.ModelArtifacts>((resolve) => {
    model.save(
      tf.io.withSaveHandler(async (saved) => {
        resolve(saved);
        return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: "JSON" } };
      }),
    );
  });
  const loaded = await tf.loadLayersModel(tf.io.fromMemory(artifacts));
  const images = tf.randomUniform([2, 9, 9, 2]);
  const [got, expected] = [loaded, model].map((each) => predicted(each, images));
  expect([...(await defined(got).data())]).toEqual([...(await defined(expected).data())]);
});

test("buildModel uses padding layers only where TensorFlow.js' own rule would shift the image", () => {
  const padded = (kernel: number, stride: number, padding: number, size: number) =>
    buildModel({
      name: "Padded",
      inputShape: [size, size, 1],
      layers: [{ type: "conv", name: "conv1", filters: 1, kernel, stride, padding }],
    }).layers.some((layer) => layer.getClassName() === "ZeroPadding2D");
  expect(padded(3, 1, 1, 8)).toBe(false);
  expect(padded(5, 1, 2, 8)).toBe(false);
  // AlexNet's first: "same" would make 56 outputs of 224, the spec asks for 55.
  expect(padded(11, 4, 2, 224)).toBe(true);
  // Of 7 rows "same" pads 1 before and 1 after, of 8 only 1 after.
  expect(padded(3, 2, 1, 7)).toBe(false);
  expect(padded(3, 2, 1, 8)).toBe(true);
});

test("buildModel refuses a max-pool whose padding TensorFlow.js cannot express", () => {
  const spec: ModelSpec = {
    name: "P",
    inputShape: [8, 8, 1],
    layers: [{ type: "maxPool", kernel: 3, stride: 2, padding: 1 }],
  };
  expect(() => buildModel(spec)).toThrow(
    /^Layer pool1: TensorFlow\.js cannot max-pool 8×8 with kernel 3, stride 2 and padding 1/,
  );
});
