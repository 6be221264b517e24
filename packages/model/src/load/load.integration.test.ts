import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { tf } from "@lockstep/engine";
import { defined } from "@lockstep/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadModel } from "./load.ts";

let folder: string;
beforeAll(async () => {
  await tf.setBackend("cpu");
  folder = await mkdtemp(join(tmpdir(), "lockstep-model-"));
});
afterAll(() => rm(folder, { recursive: true }));

let files = 0;
/** Loads a module of this text; each has a name of its own because modules are cached. */
async function loadModule(text: string, options = {}) {
  const path = join(folder, `net-${++files}.mjs`);
  await writeFile(path, text);
  return loadModel(path, options);
}

const spec =
  '{ name: "Tiny", inputShape: [4, 4, 1], layers: [{ type: "flatten" }, { type: "dense", name: "fc", units: 3 }] }';
const sequential =
  "tf.sequential({ layers: [tf.layers.flatten({ inputShape }), tf.layers.dense({ units: numClasses })] })";

describe("loadModel", () => {
  test("knows the two nets by name and passes classes and channels on", async () => {
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
    ["as default", `export default ${spec}; export const other = 1;`],
    ["named spec", `export const spec = ${spec}; export const other = 1;`],
    ["named model", `export const model = ${spec}; export const other = 1;`],
    ["as the only export", `export const net = ${spec};`],
    ["returned by a function", `export default () => (${spec});`],
    ["promised by a function", `export const createModel = async () => (${spec}); export const other = 1;`],
  ])("takes a spec %s", async (_, text) => {
    const loaded = await loadModule(text);
    expect(loaded).toMatchObject({ name: "Tiny", inputShape: [4, 4, 1], numClasses: 3, spec: { name: "Tiny" } });
    expect(loaded.model.getLayer("fc").outputShape).toEqual([null, 3]);
  });

  test("says what a model was compiled with, and nothing of one that was not", async () => {
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

  test("takes a model that a function makes for the data's shape and classes, and names it after the file", async () => {
    const text = `export default ({ tf, numClasses, inputShape }) => ${sequential};`;
    const loaded = await loadModule(text, { numClasses: 6, inputChannels: 2, imageSize: [8, 9] });
    expect(loaded).toMatchObject({ name: `net-${files}`, inputShape: [8, 9, 2], numClasses: 6 });
    expect(loaded.spec).toBeUndefined();
  });

  test("makes a model's own name fit for files", async () => {
    const text = `export default ({ tf, numClasses, inputShape }) => Object.assign(${sequential}, { name: "my net/2" });`;
    expect((await loadModule(text)).name).toBe("my_net_2");
    const capital = text.replace("my net/2", "stage_B1");
    expect((await loadModule(capital)).name, "not taken for one that TensorFlow.js made up").toBe("stage_B1");
  });

  test("loads a TypeScript module by a relative path where the program runs from TypeScript", async () => {
    await writeFile(
      join(folder, "typed.ts"),
      `const units: number = 3;\nexport default ${spec.replace("units: 3", "units")};`,
    );
    const load = `import { loadModel } from ${JSON.stringify(join(import.meta.dirname, "../index.ts"))}; console.log((await loadModel("./typed.ts")).numClasses);`;
    const tsx = import.meta.resolve("tsx");
    const flags = ["--import", tsx, "--conditions=lockstep-source", "--input-type=module", "--eval", load];
    expect((await promisify(execFile)(process.execPath, flags, { cwd: folder })).stdout).toBe("3\n");
  });

  test("takes a spec that was sent instead of what the name stands for, checked", async () => {
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

  test("refuses an unknown name and lists the known ones", async () => {
    await expect(loadModel("resnet")).rejects.toThrow(
      'Expected --model to be alexnet or alexnet-cifar10, or the path of a module such as ./resnet.ts, got "resnet".',
    );
  });

  test("refuses a file that is not there", async () => {
    await expect(loadModel("./nowhere.ts")).rejects.toThrow(
      /^Cannot use \.\/nowhere\.ts as a model: the file \/.*nowhere\.ts does not exist/,
    );
  });

  test("refuses a folder", async () => {
    await expect(loadModel("./packages")).rejects.toThrow(
      "Cannot use ./packages as a model: it is a folder. Give the path of the module's file.",
    );
  });

  test("a path that TypeScript's loader would cut at a ? is refused with that reason", async () => {
    const path = join(folder, "what?.ts");
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
      /net-\d+\.mjs is not a model spec:\n {2}layers\.1\.units: /,
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
  ])("refuses a module %s", async (_, text, message) => {
    await expect(loadModule(text)).rejects.toThrow(message);
  });
});
