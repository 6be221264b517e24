/** What a run leaves is usable elsewhere: in PyTorch, in TensorFlow.js, by `pnpm predict`. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeBatch, openShapes } from "@lockstep/dataset";
import { readBack, startEngine, tf } from "@lockstep/engine";
import { loadModel, stateDictNames } from "@lockstep/model";
import { readWeightsFile } from "@lockstep/run";
import { parameterValues, Replica } from "@lockstep/training";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { run } from "./program.ts";

const python = process.env["LOCKSTEP_TEST_PYTHON"] ?? "python3";
const pythonProblem = (() => {
  try {
    execFileSync(python, ["-c", "import torch, safetensors, numpy"], { stdio: "pipe" });
    return undefined;
  } catch {
    return " (needs torch, safetensors and numpy in LOCKSTEP_TEST_PYTHON)";
  }
})();

let dir: string;
let out: string;
let images: Float32Array;
let logits: Float32Array;

/** Trains a few steps, and computes the logits of 100 test images from the weights that this left. */
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), "lockstep-export-"));
  out = join(dir, "run");
  const { status, stderr } = await run([
    "train",
    "--dataset",
    "shapes",
    "--max-steps",
    "2",
    "--batch-size",
    "8",
    "--train-fraction",
    "1",
    "--no-test",
    "--out",
    out,
  ]);
  expect(stderr).toBe("");
  expect(status).toBe(0);
  await startEngine({});
  const half = { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] };
  const order = Uint32Array.from({ length: 100 }, (_, index) => index);
  images = makeBatch({
    records: openShapes("test", 32, 32),
    order,
    start: 0,
    end: 100,
    epoch: 0,
    seed: 0,
    normalize: half,
    augment: "none",
    height: 32,
    width: 32,
  }).images;
  writeFileSync(join(dir, "images.f32"), images);
  const { model, spec } = await loadModel("alexnet-cifar10");
  const names = stateDictNames(model, spec);
  const replica = new Replica(
    model,
    parameterValues(model, names, readWeightsFile(join(out, "AlexNet_CIFAR10.safetensors"))),
  );
  logits = await logitsOf((x) => replica.predict(x));
  replica.dispose();
});
afterAll(() => rmSync(dir, { recursive: true }));

async function logitsOf(predict: (images: tf.Tensor4D) => tf.Tensor): Promise<Float32Array> {
  const result = tf.tidy(() => predict(tf.tensor4d(images, [100, 32, 32, 3])));
  const values = await readBack(result);
  result.dispose();
  return values;
}

/** The largest absolute difference. Logits that are all alike would agree by chance, so they must spread. */
function expectSameLogits(actual: Float32Array): void {
  expect(actual.length).toBe(1000);
  expect(Math.max(...logits) - Math.min(...logits)).toBeGreaterThan(0.01);
  expect(Math.max(...actual.map((value, i) => Math.abs(value - logits[i]!)))).toBeLessThan(1e-4);
}

describe.each(["safetensors", "pth"] as const)("export --to %s", (format) => {
  test.skipIf(pythonProblem !== undefined)(
    `loads in PyTorch, strictly, and gives the same logits${pythonProblem ?? ""}`,
    async () => {
      const weights = join(dir, `weights.${format}`);
      expect((await run(["export", "--run", out, "--to", format, "--out", weights])).status).toBe(0);
      const script = new URL("../fixtures/torch_logits.py", import.meta.url).pathname;
      execFileSync(python, [script, weights, join(dir, "images.f32"), join(dir, "logits.f32")]);
      const bytes = readFileSync(join(dir, "logits.f32"));
      expectSameLogits(new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length)));
    },
  );
});

test("export --to tfjs loads with tf.loadLayersModel and gives the same logits", async () => {
  const folder = join(dir, "tfjs");
  expect((await run(["export", "--run", out, "--to", "tfjs", "--out", folder])).status).toBe(0);
  expectSameLogits(await logitsOfTfjs(folder));
});

test("so does the tfjs model that the run itself wrote", async () =>
  expectSameLogits(await logitsOfTfjs(join(out, "tfjs"))));

/** Reads model.json and weights.bin as tf.loadLayersModel does over HTTP. */
async function logitsOfTfjs(folder: string): Promise<Float32Array> {
  const { modelTopology, weightsManifest } = JSON.parse(readFileSync(join(folder, "model.json"), "utf8"));
  const weightData = new Uint8Array(readFileSync(join(folder, weightsManifest[0].paths[0]))).buffer;
  const model = await tf.loadLayersModel(
    tf.io.fromMemory({ modelTopology, weightSpecs: weightsManifest[0].weights, weightData }),
  );
  return logitsOf((x) => model.predict(x) as tf.Tensor);
}

test("pnpm predict names the classes of pictures of any size", async () => {
  const { default: sharp } = await import("sharp");
  const png = join(dir, "picture.png");
  await sharp({ create: { width: 300, height: 200, channels: 3, background: "teal" } })
    .png()
    .toFile(png);
  const jpeg = join(dir, "small.jpg");
  await sharp({ create: { width: 20, height: 40, channels: 3, background: "coral" } })
    .jpeg()
    .toFile(jpeg);
  const { stdout, status } = await run(["predict", "--run", out, png, jpeg]);
  expect(status).toBe(0);
  const line = (path: string) =>
    new RegExp(`^${path}: [a-z ]+ \\d+\\.\\d%, [a-z ]+ \\d+\\.\\d%, [a-z ]+ \\d+\\.\\d%$`, "m");
  expect(stdout).toMatch(line(png));
  expect(stdout).toMatch(line(jpeg));
});

test("a picture that is none is named", async () => {
  writeFileSync(join(dir, "notes.png"), "not a picture");
  const { stderr, status } = await run(["predict", "--run", out, join(dir, "notes.png")]);
  expect(stderr).toContain(`ERR_IMAGE_FILE: Expected a PNG or JPEG image at ${join(dir, "notes.png")}`);
  expect(status).toBe(1);
});
