/** Tests `pnpm export` of models with unusual layers: each file must predict what the run's model does. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readBack, startEngine, tf } from "@lockstep/engine";
import { loadModel, stateDictNames } from "@lockstep/model";
import { readWeightsFile } from "@lockstep/run";
import { defined, missingModules, python } from "@lockstep/testing";
import { makeProgram } from "@lockstep/trainer-program/program";
import { parameterValues, Replica } from "@lockstep/training";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";

const lack = missingModules("torch, safetensors, numpy, onnx, onnxruntime");
const FORMATS = ["pth", "safetensors", "tfjs", "onnx"] as const;
const ROWS = 5;

let dir: string;
beforeAll(async () => {
  await startEngine({});
  dir = mkdtempSync(join(tmpdir(), "lockstep-exported-models-"));
});
afterAll(() => rmSync(dir, { recursive: true }));

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

/** Runs a command of `pnpm`, and returns its output. */
async function command(...words: string[]): Promise<string> {
  let printed = "";
  const capture = (text: unknown) => {
    printed += `${text}\n`;
    return true;
  };
  const logged = vi.spyOn(console, "log").mockImplementation(capture);
  const written = vi.spyOn(process.stdout, "write").mockImplementation(capture);
  try {
    await makeProgram().parseAsync(words, { from: "user" });
  } finally {
    logged.mockRestore();
    written.mockRestore();
  }
  return printed;
}

const modelFile = (name: Name) => join(dir, `${name}.mjs`);
const runOf = (name: Name) => join(dir, `run-${name}`);
/** Trains one step. */
function train(name: Name, ...words: string[]): Promise<string> {
  const end = `\n  return tf.model({ name: "${name}", inputs: images, outputs });\n}\n`;
  writeFileSync(modelFile(name), HEAD + MODELS[name] + end);
  const size = ["--max-steps", "1", "--batch-size", "8", "--no-test", "--threads", "1", "--no-dashboard"];
  const run = ["--dataset", "shapes", "--model", modelFile(name), "--out", runOf(name)];
  return command("train", ...run, ...size, ...words);
}

const exportTo = (name: Name, to: string, out: string) =>
  command("export", "--run", runOf(name), "--to", to, "--out", out);
const floatsIn = (path: string) => new Float32Array(new Uint8Array(readFileSync(path)).buffer);

describe("a model whose last layer is Dropout, or that shares layers or a nested model", () => {
  const names = ["EndDrop", "SharedLayers", "SharedNestedModel"] as const;
  const images = () => tf.randomUniform<tf.Rank.R4>([ROWS, 32, 32, 3], -1, 1, "float32", 7);

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

  test.skipIf(lack !== "")(
    `is the same as .pth and .safetensors in PyTorch, in ONNX Runtime, and in TensorFlow.js${lack}`,
    async () => {
      writeFileSync(join(dir, "images.f32"), await readBack(images()));
      for (const name of names) {
        await train(name);
        for (const to of FORMATS) await exportTo(name, to, join(dir, to === "tfjs" ? `${name}.tfjs` : `${name}.${to}`));
        writeFileSync(join(dir, `${name}.images.f32`), await readBack(images()));
      }
      const fixture = (script: string) => fileURLToPath(new URL(`../fixtures/${script}`, import.meta.url));
      for (const script of ["exported_models.py", "onnx_logits.py"]) execFileSync(python, [fixture(script), dir]);
      for (const name of names) {
        const due = await predictions(name);
        expect(due).toHaveLength(ROWS * 10);
        expect(Math.max(...due) - Math.min(...due), name).toBeGreaterThan(0.01);
        const actual = {
          ...Object.fromEntries(["pth", "safetensors"].map((to) => [to, floatsIn(join(dir, `${name}.${to}.f32`))])),
          onnx: floatsIn(join(dir, `${name}.logits.f32`)),
          tfjs: await predictionsOfTfjs(join(dir, `${name}.tfjs`)),
          run: await predictionsOfTfjs(join(runOf(name), "tfjs")),
        };
        for (const [to, logits] of Object.entries(actual)) {
          expect(logits.length, `${name} ${to}`).toBe(due.length);
          expect(
            Math.max(...due.map((value, i) => Math.abs(value - defined(logits[i])))),
            `${name} ${to}`,
          ).toBeLessThan(1e-5);
        }
      }
    },
  );
});

describe("a model that other programs cannot load", () => {
  let printed: string;
  beforeAll(async () => {
    printed = await train("OwnLayer", "--log", "json");
  });

  test("causes a warning at the end of the run, which writes no tfjs/", () => {
    const tfjs = join(runOf("OwnLayer"), "tfjs");
    const [warning, ...more] = printed.split("\n").filter((line) => line.includes("ERR_EXPORT"));
    expect(JSON.parse(defined(warning))).toMatchObject({ level: "warn" });
    expect(warning).toContain("could not be loaded (Unknown layer: Halved");
    expect(warning).toContain(`Nothing was written to ${tfjs};`);
    expect(more).toEqual([]);
    expect(existsSync(tfjs)).toBe(false);
  });

  test("leaves the files of an earlier export unchanged, and no others", async () => {
    const out = join(dir, "earlier");
    mkdirSync(out);
    for (const name of ["model.json", "weights.bin"]) writeFileSync(join(out, name), `earlier ${name}`);
    await expect(exportTo("OwnLayer", "tfjs", out)).rejects.toMatchObject({ code: "ERR_EXPORT" });
    expect(readdirSync(out).sort()).toEqual(["model.json", "weights.bin"]);
    expect(readFileSync(join(out, "model.json"), "utf8")).toBe("earlier model.json");
    expect(readFileSync(join(out, "weights.bin"), "utf8")).toBe("earlier weights.bin");
  });

  test.each(["pth", "safetensors"] as const)(
    "has a .%s file with a note that its layout is not verified",
    async (to) => {
      const note = /^note: layout not verified: .*compare a few predictions in PyTorch/m;
      const own = await exportTo("OwnLayer", to, join(dir, `own.${to}`));
      expect(own).toMatch(note);
    },
  );
});

test("an export that predicts something else leaves the existing file unchanged, in each format", async () => {
  await train("EndDrop", "--out", join(dir, "run-wrong"));
  const predict = vi.spyOn(Replica.prototype, "predict").mockImplementation(() => tf.zeros([4, 10]));
  onTestFinished(() => predict.mockRestore());
  for (const to of ["pth", "safetensors", "onnx"]) {
    const out = join(dir, `kept.${to}`);
    writeFileSync(out, "earlier");
    const exporting = command("export", "--run", join(dir, "run-wrong"), "--to", to, "--out", out);
    await expect(exporting).rejects.toMatchObject({ code: "ERR_EXPORT" });
    expect(readFileSync(out, "utf8")).toBe("earlier");
  }
  expect(readdirSync(dir).filter((name) => name.endsWith(".tmp"))).toEqual([]);
});
