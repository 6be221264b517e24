/** Loads modules that are written by the test, among them those that export something else or fail. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { tf } from "@lockstep/engine";
import { defined, temporaryFolder } from "@lockstep/testing";
import { beforeAll, expect, test } from "vitest";
import { loadModel } from "./load.ts";

beforeAll(() => tf.setBackend("cpu"));

/** Loads a module of this text. Each is in a folder of its own because modules are cached. */
async function loadModule(text: string, options = {}) {
  const path = join(temporaryFolder(), "net.mjs");
  await writeFile(path, text);
  return loadModel(path, options);
}

const spec =
  '{ name: "Tiny", inputShape: [4, 4, 1], layers: [{ type: "flatten" }, { type: "dense", name: "fc", units: 3 }] }';
const sequential =
  "tf.sequential({ layers: [tf.layers.flatten({ inputShape }), tf.layers.dense({ units: numClasses })] })";

test("loadModel knows both AlexNets by name, and passes classes and channels on", async () => {
  const { name, inputShape, numClasses, model } = await loadModel("alexnet-cifar10", {
    numClasses: 7,
    inputChannels: 1,
  });
  expect({ name, inputShape, numClasses }).toEqual({
    name: "AlexNet_CIFAR10",
    inputShape: [32, 32, 1],
    numClasses: 7,
  });
  expect(defined(model.outputs[0]).shape).toEqual([null, 7]);
});

test.each([
  ["exported as the default", `export default ${spec}; export const other = 1;`],
  ["exported as spec", `export const spec = ${spec}; export const other = 1;`],
  ["exported as model", `export const model = ${spec}; export const other = 1;`],
  ["that is the only export", `export const net = ${spec};`],
  ["returned by a function", `export default () => (${spec});`],
  ["promised by a function", `export const createModel = async () => (${spec}); export const other = 1;`],
])("loadModel accepts a spec %s", async (_, text) => {
  const loaded = await loadModule(text);
  expect(loaded).toMatchObject({ name: "Tiny", inputShape: [4, 4, 1], numClasses: 3, spec: { name: "Tiny" } });
  expect(loaded.model.getLayer("fc").outputShape).toEqual([null, 3]);
});

test("loadModel reports what a model was compiled with, and nothing for one that was not", async () => {
  const make = (compile: string) =>
    loadModule(`export default ({ tf, numClasses, inputShape }) => {
    const model = ${sequential}; ${compile}; return model; };`);
  const loss = "function ownLoss(a, b) { return a.sub(b).mean(); }";
  const said = async (compile: string) => (await make(compile)).compiled;
  expect(await said('model.compile({ optimizer: "adam", loss: "meanSquaredError" })')).toBe(
    "the optimizer Adam and the loss meanSquaredError",
  );
  expect(await said(`model.compile({ optimizer: tf.train.sgd(1), loss: ${loss} })`)).toBe(
    "the optimizer SGD and the loss ownLoss",
  );
  expect(await said("")).toBeUndefined();
});

test("a model that a function makes for the data's shape and classes is named after the file", async () => {
  const text = `export default ({ tf, numClasses, inputShape }) => ${sequential};`;
  const loaded = await loadModule(text, { numClasses: 6, inputChannels: 2, imageSize: [8, 9] });
  expect(loaded).toMatchObject({ name: "net", inputShape: [8, 9, 2], numClasses: 6 });
  expect(loaded.spec).toBeUndefined();
});

test("a model's own name is made fit for file names", async () => {
  const text = `export default ({ tf, numClasses, inputShape }) => Object.assign(${sequential}, { name: "my net/2" });`;
  expect((await loadModule(text)).name).toBe("my_net_2");
  const capital = text.replace("my net/2", "stage_B1");
  expect((await loadModule(capital)).name, "not taken for one that TensorFlow.js made up").toBe("stage_B1");
});

test("a spec that was sent takes precedence over the name, and is checked", async () => {
  const sent = {
    name: "Sent",
    inputShape: [4, 4, 1],
    layers: [{ type: "flatten" }, { type: "dense", name: "fc", units: 3 }],
  };
  expect(await loadModel("./nowhere.ts", { spec: sent })).toMatchObject({ name: "Sent", spec: sent, numClasses: 3 });
  await expect(loadModel("./nowhere.ts", { spec: { ...sent, layers: [] } })).rejects.toThrow(
    /^\.\/nowhere\.ts is not a model spec:\n {2}layers: /,
  );
});

test("loadModel refuses an unknown name and lists the known ones", async () => {
  await expect(loadModel("resnet")).rejects.toThrow(
    'Expected --model to be alexnet or alexnet-cifar10, or the path of a module such as ./resnet.ts, got "resnet".',
  );
});

test("loadModel refuses a file that does not exist", async () => {
  await expect(loadModel("./nowhere.ts")).rejects.toThrow(
    /^Cannot use \.\/nowhere\.ts as a model: the file \/.*nowhere\.ts does not exist/,
  );
});

test("loadModel refuses a folder", async () => {
  await expect(loadModel("./packages")).rejects.toThrow(
    "Cannot use ./packages as a model: it is a folder. Give the path of the module's file.",
  );
});

test("a path that TypeScript's loader would cut at a ? is refused with that reason", async () => {
  const path = join(temporaryFolder(), "what?.ts");
  await writeFile(path, `export default ${spec}`);
  await expect(loadModel(path, {})).rejects.toThrow("the TypeScript loader does not accept ? in a path. Rename");
});

test.each([
  ["that exports nothing", "", /it exports nothing\. Export a model spec, or a function/],
  ["with several exports of other names", "export const a = 1, b = 2;", /it exports a, b\. Export/],
  ["that does not parse", "export default {", /loading it failed: /],
  ["whose function fails", "export default () => { throw new Error('no luck'); }", /its function failed: no luck$/],
  ["whose function gives nothing", "export default () => {};", /is not a model spec:\n {2}spec: /],
  [
    "with a wrong spec",
    `export default ${spec.replace("units: 3", "units: -3")};`,
    /net\.mjs is not a model spec:\n {2}layers\.1\.units: /,
  ],
  [
    "whose spec does not fit",
    `export default ${spec.replace('{ type: "flatten" }, ', "")};`,
    /^Layer fc of Tiny: expected a flat input, got an image of 4×4×1/,
  ],
  [
    "with a model of another TensorFlow.js",
    "export default { layers: [], predict() {} };",
    /another copy of TensorFlow\.js\. Use the tf that is passed to the function/,
  ],
  [
    "whose model takes no images",
    "export default ({ tf }) => tf.sequential({ layers: [tf.layers.dense({ units: 2, inputShape: [3] })] });",
    /^Expected an input of \[null, height, width, channels\]/,
  ],
])("loadModel refuses a module %s", async (_, text, message) => {
  await expect(loadModule(text)).rejects.toThrow(message);
});
