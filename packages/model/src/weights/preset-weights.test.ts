/** Checks that weights which a module loaded or set itself are kept, and told apart by digests. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { tf } from "@lockstep/engine";
import { defined, temporaryFolder } from "@lockstep/testing";
import { expect, test, vi } from "vitest";
import { type LoadModelOptions, loadModel } from "../load/load.ts";
import { saveModel } from "../testing/save-for-tests.ts";
import { assignWeights } from "../testing/tensors.ts";
import { initialWeights } from "./initial-weights.ts";
import { presetWeightsFacts, readPresetWeights } from "./preset-weights.ts";

/** Weights of the saved model: a kernel and a bias of the backbone, and of the head. */
const SAVED = [[1, 2, 3, 4], [5], [6, 7], [8, 9]];
const LAYERS = `[
  tf.layers.conv2d({ name: "backbone", inputShape: [2, 2, 1], filters: 1, kernelSize: 2 }),
  tf.layers.flatten(),
  tf.layers.dense({ name: "head", units: 2 }),
]`;

await tf.setBackend("cpu");
const folder = temporaryFolder();
const saved: tf.Sequential = new Function("tf", `return tf.sequential({ layers: ${LAYERS} })`)(tf);
assignWeights(saved, SAVED);
await saveModel(saved, folder);

/** Loads a module of this text. Each is in a folder of its own because modules are cached. */
async function loadModule(text: string, options: LoadModelOptions = {}) {
  const path = join(temporaryFolder(), "net.mjs");
  await writeFile(path, text);
  return loadModel(path, options);
}

const begins = async (model: tf.LayersModel, init?: "he") => {
  const values = await initialWeights(model, { init, seed: 0 });
  return values.map((each) => [...each]);
};

test("a model that a module loaded from a file starts with the file's weights, on a backend without a loader for files", async () => {
  const url = pathToFileURL(join(folder, "model.json")).href;
  const { model } = await loadModule(`export default ({ tf }) => tf.loadLayersModel("${url}");`);
  expect(await begins(model)).toEqual(SAVED);
});

test("with --init, the weights of a loaded model are drawn like those of a new one", async () => {
  const url = pathToFileURL(join(folder, "model.json")).href;
  const { model: loaded } = await loadModule(`export default ({ tf }) => tf.loadLayersModel("${url}");`);
  const { model: made } = await loadModule(`export default ({ tf }) => tf.sequential({ layers: ${LAYERS} });`);
  expect(await begins(loaded, "he")).toEqual(await begins(made, "he"));
});

test.each([
  ["setWeights on one layer", "backbone.setWeights([tf.ones([2, 2, 1, 1]), tf.ones([1])])"],
  ["assign to its variables", "for (const { val } of backbone.weights) val.assign(tf.onesLike(val))"],
])("weights set with %s are kept, and the others are drawn", async (_, write) => {
  const make = `const model = tf.sequential({ layers: ${LAYERS} }); const backbone = model.getLayer("backbone")`;
  const { model } = await loadModule(`export default ({ tf }) => { ${make}; ${write}; return model; };`);
  const { model: plain } = await loadModule(`export default ({ tf }) => { ${make}; return model; };`);
  const [, , kernel, bias] = await begins(plain);
  expect(await begins(model)).toEqual([[1, 1, 1, 1], [1], kernel, bias]);
  expect((await readPresetWeights(model)).written.size).toBe(2);
});

test("a model that a module exports ready keeps the weights that it was set to", async () => {
  const layer = "tf.layers.dense({ units: 2, weights: [tf.ones([4, 2]), tf.zeros([2])] })";
  vi.stubGlobal("tfOfTest", tf);
  const { model } = await loadModule(
    `const tf = globalThis.tfOfTest;
     export default tf.sequential({ layers: [tf.layers.flatten({ inputShape: [2, 2, 1] }), ${layer}] });`,
  );
  vi.unstubAllGlobals();
  expect(await begins(model)).toEqual([new Array(8).fill(1), [0, 0]]);
});

test("a weight that was set to NaN is refused by its name", async () => {
  const { model } = await loadModule(
    `export default ({ tf }) => {
       const model = tf.sequential({ layers: ${LAYERS} });
       model.getLayer("head").setWeights([tf.tensor2d([[1, NaN]]), tf.zeros([2])]);
       return model;
     };`,
  );
  await expect(begins(model)).rejects.toThrow(/^The weight head\/kernel \[1, 2\] .*\(NaN\)/);
});

const withWeights = (weights: [number, Float32Array][]) => ({ written: new Map(weights), constant: new Map() });
const one = withWeights([[0, Float32Array.of(1, 2)]]);
const other = withWeights([[0, Float32Array.of(1, 3)]]);

test("preset weights with other values or another position have another digest", () => {
  const digests = [one, other, withWeights([[1, Float32Array.of(1, 2)]])].map(
    (own) => defined(presetWeightsFacts(own, {})).digest,
  );
  expect(new Set(digests).size).toBe(3);
  expect(presetWeightsFacts(withWeights([[0, Float32Array.of(1, 2)]]), {})).toEqual(presetWeightsFacts(one, {}));
});

test("preset weights that --init or --init-from replaces have no digest", () => {
  for (const options of [{ init: "he" }, { initFrom: "weights.safetensors" }]) {
    expect(presetWeightsFacts(one, options)).toEqual(presetWeightsFacts(other, options));
    expect(presetWeightsFacts(one, options)).toEqual({ written: 1, digest: "" });
  }
});

test("a model without preset weights has no facts about them", () => {
  expect(presetWeightsFacts(withWeights([]), {})).toBeUndefined();
});
