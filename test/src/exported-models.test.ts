/** Tests `pnpm export` of models with unusual layers: each file must predict what the run's model does. */
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readBack, tf } from "@lockstep/engine";
import { loadModel, stateDictNames } from "@lockstep/model";
import { readWeightsFile } from "@lockstep/run";
import { test as base, defined, missingModules, python, temporaryFolder } from "@lockstep/testing";
import { parameterValues, Replica } from "@lockstep/training";
import { expect, onTestFinished, vi } from "vitest";
import { runInProcess } from "./testing/run-in-process.ts";

const lack = missingModules("torch, safetensors, numpy, onnx, onnxruntime");
const ROWS = 5;

const HEAD = `export default function createModel({ tf, inputShape, numClasses }) {
  const { layers } = tf;
  const images = tf.input({ shape: inputShape });
  const chain = (x, ...parts) => parts.reduce((value, part) => part.apply(value), x);
  const conv = layers.conv2d({ name: "conv", filters: 3, kernelSize: 3, padding: "same" });
  const flat = layers.flatten({ name: "flat" });
  const fc = layers.dense({ name: "fc", units: numClasses });`;

/** Bodies of model functions. The first three have counterparts of the same name in exported_models.py. */
const MODELS = {
  EndDrop: `
  const drop = layers.dropout({ rate: 0.1 });
  const outputs = chain(images, layers.globalAveragePooling2d({}), drop, fc, drop);`,
  SharedLayers: `
  const [relu, twice] = [layers.reLU(), layers.dense({ name: "twice", units: numClasses })];
  const outputs = chain(images, conv, relu, conv, relu, flat, fc, twice, twice);`,
  SharedNestedModel: `
  const [inner, row] = [tf.input({ shape: inputShape }), tf.input({ shape: [3072] })];
  const block = tf.model({ name: "block", inputs: inner, outputs: chain(inner, conv, layers.reLU()) });
  const head = tf.model({ name: "head", inputs: row, outputs: chain(row, fc) });
  const once = block.apply(images);
  const outputs = chain(layers.add().apply([once, block.apply(once)]), flat, head);`,
  // A model with this class cannot be loaded, since the class is not registered.
  OwnLayer: `
  class Halved extends layers.Layer {
    static className = "Halved";
    call(inputs) { return tf.mul(inputs[0] ?? inputs, 0.5); }
  }
  const outputs = chain(images, new Halved({ name: "halved" }), flat, fc);`,
};
type Name = keyof typeof MODELS;
const PORTABLE = ["EndDrop", "SharedLayers", "SharedNestedModel"] as const;

const dir = temporaryFolder();
const modelFile = (name: Name) => join(dir, `${name}.mjs`);
const runOf = (name: Name) => join(dir, `run-${name}`);
/** Normalized images, the same at each call. */
const images = () => tf.randomUniform<tf.Rank.R4>([ROWS, 32, 32, 3], -1, 1, "float32", 7);
const floatsIn = (path: string) => new Float32Array(new Uint8Array(readFileSync(path)).buffer);

/**
 * `portable` are trained models that other programs can load, `ownLayer` is what the run of one
 * that they cannot printed.
 */
const test = base
  .extend("portable", { scope: "file" }, async () => {
    for (const name of PORTABLE) await train(name);
    return PORTABLE;
  })
  .extend("exports", { scope: "file" }, ({ portable }) => exportAll(portable))
  .extend("ownLayer", { scope: "file" }, () => train("OwnLayer", "--log", "json"));

/** Runs a command of `pnpm`, and returns its output. */
async function command(...words: string[]): Promise<string> {
  const { status, stdout, stderr } = await runInProcess(words);
  expect(status, stderr).toBe(0);
  return stdout;
}

/** Trains one step, and returns what is printed. */
function train(name: Name, ...words: string[]): Promise<string> {
  const end = `\n  return tf.model({ name: "${name}", inputs: images, outputs });\n}\n`;
  writeFileSync(modelFile(name), HEAD + MODELS[name] + end);
  const size = ["--max-steps", "1", "--batch-size", "8", "--train-fraction", "1", "--no-test", "--threads", "1"];
  const run = ["--dataset", "shapes", "--model", modelFile(name), "--out", runOf(name)];
  return command("train", ...run, ...size, "--no-dashboard", ...words);
}

const exportWords = (name: Name, to: string, out: string) => ["export", "--run", runOf(name), "--to", to, "--out", out];

/** Exports each model in each format, and lets PyTorch and ONNX Runtime write the logits of their files beside them. */
async function exportAll(names: readonly Name[]): Promise<{ folder: string }> {
  const input = await readBack(images());
  writeFileSync(join(dir, "images.f32"), input);
  for (const name of names) {
    for (const to of ["pth", "safetensors", "onnx"])
      await command(...exportWords(name, to, join(dir, `${name}.${to}`)));
    await command(...exportWords(name, "tfjs", join(dir, `${name}.tfjs`)));
    writeFileSync(join(dir, `${name}.images.f32`), input);
  }
  const fixture = (script: string) => fileURLToPath(new URL(`../fixtures/${script}`, import.meta.url));
  for (const script of ["exported_models.py", "onnx_logits.py"]) execFileSync(python, [fixture(script), dir]);
  return { folder: dir };
}

/** Returns the model's predictions with the run's weights. */
async function predictions(name: Name): Promise<Float32Array> {
  const { model, spec } = await loadModel(modelFile(name), { numClasses: 10 });
  const weights = readWeightsFile(join(runOf(name), `${name}.safetensors`));
  const replica = new Replica(model, parameterValues(model, stateDictNames(model, spec), weights));
  return readBack(tf.tidy(() => replica.predict(images())));
}

async function predictionsOfTfjs(folder: string): Promise<Float32Array> {
  const { modelTopology, weightsManifest } = JSON.parse(readFileSync(join(folder, "model.json"), "utf8"));
  const weightData = new Uint8Array(readFileSync(join(folder, "weights.bin"))).buffer;
  const weightSpecs = weightsManifest[0].weights;
  const model = await tf.loadLayersModel(tf.io.fromMemory({ modelTopology, weightSpecs, weightData }));
  return readBack(model.predict(images()) as tf.Tensor);
}

test.skipIf(lack !== "").for(PORTABLE)(
  `exports of %s predict in PyTorch, in ONNX Runtime and in TensorFlow.js what its run predicts${lack}`,
  async (name, { exports: { folder } }) => {
    const due = await predictions(name);
    expect(due).toHaveLength(ROWS * 10);
    expect(Math.max(...due) - Math.min(...due)).toBeGreaterThan(0.01);
    const logits = {
      pth: floatsIn(join(folder, `${name}.pth.f32`)),
      safetensors: floatsIn(join(folder, `${name}.safetensors.f32`)),
      onnx: floatsIn(join(folder, `${name}.logits.f32`)),
      tfjs: await predictionsOfTfjs(join(folder, `${name}.tfjs`)),
      run: await predictionsOfTfjs(join(runOf(name), "tfjs")),
    };
    for (const [format, actual] of Object.entries(logits)) {
      expect(actual, format).toHaveLength(due.length);
      const distances = due.map((value, i) => Math.abs(value - defined(actual[i])));
      expect(Math.max(...distances), format).toBeLessThan(1e-5);
    }
  },
);

test("a run whose model other programs cannot load warns at its end, and writes no tfjs/", ({ ownLayer }) => {
  const tfjs = join(runOf("OwnLayer"), "tfjs");
  const [warning, ...more] = ownLayer.split("\n").filter((line) => line.includes("ERR_EXPORT"));
  expect(JSON.parse(defined(warning))).toMatchObject({ level: "warn" });
  expect(warning).toContain("could not be loaded (Unknown layer: Halved");
  expect(warning).toContain(`Nothing was written to ${tfjs};`);
  expect(more).toEqual([]);
  expect(existsSync(tfjs)).toBe(false);
});

test("a refused export to tfjs leaves the files of an earlier one unchanged, and no others", async ({
  ownLayer: _,
  folder,
}) => {
  for (const name of ["model.json", "weights.bin"]) writeFileSync(join(folder, name), `earlier ${name}`);
  const { status, stderr } = await runInProcess(exportWords("OwnLayer", "tfjs", folder));
  expect([status, stderr]).toEqual([1, expect.stringMatching(/^ERR_EXPORT: /m)]);
  expect(readdirSync(folder).sort()).toEqual(["model.json", "weights.bin"]);
  expect(readFileSync(join(folder, "model.json"), "utf8")).toBe("earlier model.json");
  expect(readFileSync(join(folder, "weights.bin"), "utf8")).toBe("earlier weights.bin");
});

test.for(["pth", "safetensors"])(
  "the export to %s of a model that tfjs cannot load notes that its layout is not verified",
  async (to, { ownLayer: _, folder }) => {
    const printed = await command(...exportWords("OwnLayer", to, join(folder, `own.${to}`)));
    expect(printed).toMatch(/^note: layout not verified: .*compare a few predictions in PyTorch/m);
  },
);

test.for(["pth", "safetensors", "onnx"])(
  "an export to %s that predicts something else leaves the existing file unchanged",
  async (to, { portable: _, folder }) => {
    const predict = vi.spyOn(Replica.prototype, "predict").mockImplementation(() => tf.zeros([4, 10]));
    onTestFinished(() => predict.mockRestore());
    const out = join(folder, `kept.${to}`);
    writeFileSync(out, "earlier");
    const { status, stderr } = await runInProcess(exportWords("EndDrop", to, out));
    expect([status, stderr]).toEqual([1, expect.stringMatching(/^ERR_EXPORT: /m)]);
    expect(readFileSync(out, "utf8")).toBe("earlier");
    expect(readdirSync(folder)).toEqual([`kept.${to}`]);
  },
);
