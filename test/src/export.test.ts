/** Tests that the results of a run can be used in PyTorch, in TensorFlow.js and by `pnpm predict`. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { makeBatch, openShapes } from "@lockstep/dataset";
import { readBack, startEngine, tf } from "@lockstep/engine";
import { loadModel, stateDictNames } from "@lockstep/model";
import { readWeightsFile } from "@lockstep/run";
import { defined, missingModules, python } from "@lockstep/testing";
import { parameterValues, Replica } from "@lockstep/training";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { run } from "./testing/program.ts";

const torchLack = missingModules("torch, safetensors, numpy");
const onnxLack = missingModules("onnx, onnxruntime, numpy");

let dir: string;
let out: string;
let images: Float32Array;
let logits: Float32Array;

/** Trains a few steps, and computes the logits of 100 test images from the saved weights. */
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

const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));
const readFloats = (path: string) => new Float32Array(new Uint8Array(readFileSync(path)).buffer);

/** Returns the largest absolute difference. The logits must vary, since constant ones could agree by chance. */
function assertSameLogits(actual: Float32Array): void {
  expect(actual.length).toBe(1000);
  expect(Math.max(...logits) - Math.min(...logits)).toBeGreaterThan(0.01);
  expect(Math.max(...actual.map((value, i) => Math.abs(value - defined(logits[i]))))).toBeLessThan(1e-4);
}

describe.each(["safetensors", "pth"] as const)("export --to %s", (format) => {
  test.skipIf(torchLack !== "")(`loads in PyTorch, strictly, and gives the same logits${torchLack}`, async () => {
    const weights = join(dir, `weights.${format}`);
    expect((await run(["export", "--run", out, "--to", format, "--out", weights])).status).toBe(0);
    execFileSync(python, [fixture("torch_logits.py"), weights, join(dir, "images.f32"), join(dir, "logits.f32")]);
    assertSameLogits(readFloats(join(dir, "logits.f32")));
  });
});

test.skipIf(onnxLack !== "")(
  `export --to onnx loads in ONNX Runtime, gives the same logits, and knows its classes${onnxLack}`,
  async () => {
    const folder = join(dir, "onnx");
    const path = join(folder, "net.onnx");
    const { status, stdout } = await run(["export", "--run", out, "--to", "onnx", "--out", path]);
    expect(status).toBe(0);
    expect(stdout).toContain('from "images" [batch, 3, 32, 32] to "logits" [batch, 10]');
    writeFileSync(join(folder, "net.images.f32"), images);
    const about = JSON.parse(execFileSync(python, [fixture("onnx_logits.py"), folder], { encoding: "utf8" }));
    expect(about.net.input).toEqual(["images", "batch", 3, 32, 32]);
    expect(JSON.parse(about.net.metadata.classes)).toEqual(openShapes("test", 32, 32).classes);
    expect(about.net.metadata).toMatchObject({ mean: "[0.5,0.5,0.5]", std: "[0.5,0.5,0.5]" });
    assertSameLogits(readFloats(join(folder, "net.logits.f32")));
  },
);

test("export --to tfjs loads with tf.loadLayersModel and gives the same logits", async () => {
  const folder = join(dir, "tfjs");
  expect((await run(["export", "--run", out, "--to", "tfjs", "--out", folder])).status).toBe(0);
  assertSameLogits(await logitsOfTfjs(folder));
});

test("the tfjs model that the run writes loads with tf.loadLayersModel and gives the same logits", async () =>
  assertSameLogits(await logitsOfTfjs(join(out, "tfjs"))));

/** Loads model.json and weights.bin as tf.loadLayersModel does over HTTP. */
async function logitsOfTfjs(folder: string): Promise<Float32Array> {
  const { modelTopology, weightsManifest } = JSON.parse(readFileSync(join(folder, "model.json"), "utf8"));
  const weightData = new Uint8Array(readFileSync(join(folder, weightsManifest[0].paths[0]))).buffer;
  const model = await tf.loadLayersModel(
    tf.io.fromMemory({ modelTopology, weightSpecs: weightsManifest[0].weights, weightData }),
  );
  return logitsOf((x) => model.predict(x) as tf.Tensor);
}

test("pnpm predict classifies pictures of any size", async () => {
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

test("pnpm predict names a file that is not a picture", async () => {
  writeFileSync(join(dir, "notes.png"), "not a picture");
  const { stderr, status } = await run(["predict", "--run", out, join(dir, "notes.png")]);
  expect(stderr).toContain(`ERR_IMAGE_FILE: Expected a PNG or JPEG image at ${join(dir, "notes.png")}`);
  expect(status).toBe(1);
});
