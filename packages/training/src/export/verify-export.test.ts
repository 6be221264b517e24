/** Checks exports with swapped channels, NaN or a dominant bias, which must not pass as equal. */
import { tf } from "@lockstep/engine";
import { beforeAll, expect, test } from "vitest";
import { assertSamePredictions, type Predict } from "./verify-export.ts";

beforeAll(async () => {
  await tf.setBackend("cpu");
});

const kernel = () => tf.randomUniform([12, 3], -1, 1, "float32", 5);
/** A net that multiplies an image's elements, in the given order, by a kernel. */
const net = (order: number[], bias = 0): Predict => {
  return (images) =>
    images
      .transpose([0, ...order])
      .reshape([-1, 12])
      .matMul(kernel())
      .add(bias);
};
const nowhere: Predict = (images) => images.mean([1, 2]).mul(Number.NaN);

const checkLoaded = (model: Predict, load: () => Predict): Promise<string> =>
  assertSamePredictions(model, [2, 2, 3], {
    format: "ONNX file",
    path: "out/net.onnx",
    load,
    remedy: "use --to tfjs",
  }).then(
    () => "",
    (error) => `${error.code}: ${error.message}`,
  );
const check = (model: Predict, loaded: Predict) => checkLoaded(model, () => loaded);

test("an export that predicts what the model does, up to rounding, is verified", async () => {
  expect(await check(net([1, 2, 3]), net([1, 2, 3]))).toBe("");
  expect(await check(net([1, 2, 3]), net([1, 2, 3], 1e-4))).toBe("");
});

test("an export with another order of channels is an error that names the format", async () => {
  expect(await check(net([1, 2, 3]), net([3, 1, 2]))).toMatch(
    /^ERR_EXPORT: Expected the ONNX file to predict .*, but a logit differs by \d.*Nothing was written to out\/net\.onnx; use --to tfjs\.$/,
  );
});

test("a difference is found even if a bias dominates the logits", async () => {
  expect(await check(net([1, 2, 3], 1000), net([3, 1, 2], 1000))).toContain("a logit differs by");
});

test("an export that cannot be loaded or has another number of classes is an error", async () => {
  const loading = checkLoaded(net([1, 2, 3]), () => {
    throw new Error("Unknown layer: Mine");
  });
  expect(await loading).toContain("it could not be loaded (Unknown layer: Mine)");
  const two: Predict = (images) => net([1, 2, 3])(images).slice([0, 0], [-1, 2]);
  expect(await check(net([1, 2, 3]), two)).toContain("it returns 2 logits for an image, not 3");
});

test("an error of a prediction, such as a lack of memory, is not reported as a fault of the file", async () => {
  const outOfMemory: Predict = () => {
    throw new RangeError("Array buffer allocation failed");
  };
  const right = net([1, 2, 3]);
  expect(await check(outOfMemory, right)).toBe("undefined: Array buffer allocation failed");
  expect(await check(right, outOfMemory)).toBe("undefined: Array buffer allocation failed");
  const { numTensors } = tf.memory();
  await check(right, outOfMemory);
  expect(tf.memory().numTensors).toBe(numTensors);
});

test("NaN is expected exactly where the model predicts NaN", async () => {
  expect(await check(nowhere, nowhere)).toBe("");
  expect(await check(net([1, 2, 3]), nowhere)).toContain("a logit differs by NaN");
});
