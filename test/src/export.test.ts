/** Tests that the results of a run can be used in PyTorch, in TensorFlow.js and by `pnpm predict`. */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { makeBatch, openShapes } from "@lockstep/dataset";
import { readBack, tf } from "@lockstep/engine";
import { loadModel, stateDictNames } from "@lockstep/model";
import { readWeightsFile } from "@lockstep/run";
import { test as base, defined, missingModules, python, temporaryFolder } from "@lockstep/testing";
import { parameterValues, Replica } from "@lockstep/training";
import sharp from "sharp";
import { expect } from "vitest";
import { assertSucceeded } from "./testing/assert-succeeded.ts";
import { runInProcess } from "./testing/run-in-process.ts";

const torchLack = missingModules("torch, safetensors, numpy");
const onnxLack = missingModules("onnx, onnxruntime, numpy");

const folderOfRun = temporaryFolder();
/** `out` is a run of AlexNet, `images` are 100 test images, and `logits` are those of the run's weights. */
const test = base
  .extend("out", { scope: "file" }, async () => {
    const out = join(folderOfRun, "run");
    const data = ["--dataset", "shapes", "--batch-size", "8", "--train-fraction", "1", "--no-test"];
    const finished = await runInProcess(["train", ...data, "--max-steps", "1", "--no-dashboard", "--out", out]);
    assertSucceeded(finished);
    return out;
  })
  .extend("images", { scope: "file" }, () => testImages(100))
  .extend("logits", { scope: "file" }, async ({ out, images }) => {
    const { model, spec } = await loadModel("alexnet-cifar10");
    const weights = readWeightsFile(join(out, "AlexNet_CIFAR10.safetensors"));
    const replica = new Replica(model, parameterValues(model, stateDictNames(model, spec), weights));
    const logits = await logitsOf((x) => replica.predict(x), images);
    replica.dispose();
    return logits;
  });

/** Returns the first images of the test set, normalized. */
function testImages(count: number): Float32Array {
  const size = { height: 32, width: 32 };
  const normalize = { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] };
  const order = Uint32Array.from({ length: count }, (_, index) => index);
  const slice = { order, start: 0, end: count, epoch: 0, seed: 0 };
  return makeBatch({ records: openShapes("test", 32, 32), ...slice, normalize, augment: "none", ...size }).images;
}

async function logitsOf(predict: (images: tf.Tensor4D) => tf.Tensor, images: Float32Array): Promise<Float32Array> {
  const result = tf.tidy(() => predict(tf.tensor4d(images, [100, 32, 32, 3])));
  const values = await readBack(result);
  result.dispose();
  return values;
}

const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));
const readFloats = (path: string) => new Float32Array(new Uint8Array(readFileSync(path)).buffer);

/** Asserts that logits are equal up to rounding. They must vary, since constant ones could agree by chance. */
function assertSameLogits(actual: Float32Array, expected: Float32Array): void {
  expect(actual.length).toBe(1000);
  expect(Math.max(...expected) - Math.min(...expected)).toBeGreaterThan(0.01);
  expect(Math.max(...actual.map((value, i) => Math.abs(value - defined(expected[i]))))).toBeLessThan(1e-4);
}

/** Exports the run to a file or folder, and returns what is printed. */
async function exportRun(run: string, format: string, to: string): Promise<string> {
  const { status, stdout } = await runInProcess(["export", "--run", run, "--to", format, "--out", to]);
  expect(status).toBe(0);
  return stdout;
}

test.skipIf(torchLack !== "").for(["safetensors", "pth"])(
  `export --to %s loads in PyTorch, strictly, and gives the same logits${torchLack}`,
  async (format, { out, images, logits, folder }) => {
    const [weights, input, output] = [join(folder, `net.${format}`), join(folder, "images"), join(folder, "logits")];
    await exportRun(out, format, weights);
    writeFileSync(input, images);
    execFileSync(python, [fixture("torch_logits.py"), weights, input, output]);
    assertSameLogits(readFloats(output), logits);
  },
);

test.skipIf(onnxLack !== "")(
  `export --to onnx loads in ONNX Runtime, gives the same logits, and knows its classes${onnxLack}`,
  async ({ out, images, logits, folder }) => {
    const printed = await exportRun(out, "onnx", join(folder, "net.onnx"));
    expect(printed).toContain('from "images" [batch, 3, 32, 32] to "logits" [batch, 10]');
    writeFileSync(join(folder, "net.images.f32"), images);
    const about = JSON.parse(execFileSync(python, [fixture("onnx_logits.py"), folder], { encoding: "utf8" }));
    expect(about.net.input).toEqual(["images", "batch", 3, 32, 32]);
    expect(JSON.parse(about.net.metadata.classes)).toEqual(openShapes("test", 32, 32).classes);
    expect(about.net.metadata).toMatchObject({ mean: "[0.5,0.5,0.5]", std: "[0.5,0.5,0.5]" });
    assertSameLogits(readFloats(join(folder, "net.logits.f32")), logits);
  },
);

test("export --to tfjs loads with tf.loadLayersModel and gives the same logits", async ({
  out,
  images,
  logits,
  folder,
}) => {
  await exportRun(out, "tfjs", join(folder, "tfjs"));
  assertSameLogits(await logitsOfTfjs(join(folder, "tfjs"), images), logits);
});

test("the tfjs model that the run writes loads with tf.loadLayersModel and gives the same logits", async ({
  out,
  images,
  logits,
}) => assertSameLogits(await logitsOfTfjs(join(out, "tfjs"), images), logits));

/** Loads model.json and weights.bin as tf.loadLayersModel does over HTTP, and returns the model's logits. */
async function logitsOfTfjs(folder: string, images: Float32Array): Promise<Float32Array> {
  const { modelTopology, weightsManifest } = JSON.parse(readFileSync(join(folder, "model.json"), "utf8"));
  const weightData = new Uint8Array(readFileSync(join(folder, weightsManifest[0].paths[0]))).buffer;
  const model = await tf.loadLayersModel(
    tf.io.fromMemory({ modelTopology, weightSpecs: weightsManifest[0].weights, weightData }),
  );
  return logitsOf((x) => model.predict(x) as tf.Tensor, images);
}

test("pnpm predict classifies pictures of any size", async ({ out, folder }) => {
  const [png, jpeg] = [join(folder, "picture.png"), join(folder, "small.jpg")];
  const wide = { width: 300, height: 200, channels: 3, background: "teal" } as const;
  await sharp({ create: wide }).png().toFile(png);
  const small = { width: 20, height: 40, channels: 3, background: "coral" } as const;
  await sharp({ create: small }).jpeg().toFile(jpeg);
  const { stdout, status } = await runInProcess(["predict", "--run", out, png, jpeg]);
  expect(status).toBe(0);
  const line = (path: string) =>
    new RegExp(`^${path}: [a-z ]+ \\d+\\.\\d%, [a-z ]+ \\d+\\.\\d%, [a-z ]+ \\d+\\.\\d%$`, "m");
  expect(stdout).toMatch(line(png));
  expect(stdout).toMatch(line(jpeg));
});

test("pnpm predict names a file that is not a picture", async ({ out, folder }) => {
  const notes = join(folder, "notes.png");
  writeFileSync(notes, "not a picture");
  const { stderr, status } = await runInProcess(["predict", "--run", out, notes]);
  expect(stderr).toContain(`ERR_IMAGE_FILE: Expected a PNG or JPEG image at ${notes}`);
  expect(status).toBe(1);
});
