import { tf } from "@lockstep/engine";
import { beforeAll, describe, expect, test } from "vitest";
import { assertSamePredictions, type Predict } from "./verify-export.ts";

beforeAll(async () => {
  await tf.setBackend("cpu");
});

const kernel = () => tf.randomUniform([12, 3], -1, 1, "float32", 5);
/** A row of an image's numbers, in their order or in another, times a kernel. */
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

describe("An export is loaded back before it is said to be done", () => {
  test("and is right if it predicts what the model does, but for rounding", async () => {
    expect(await check(net([1, 2, 3]), net([1, 2, 3]))).toBe("");
    expect(await check(net([1, 2, 3]), net([1, 2, 3], 1e-4))).toBe("");
  });

  test("and is refused, with an error that names the format, if it has the channels in another order", async () => {
    expect(await check(net([1, 2, 3]), net([3, 1, 2]))).toMatch(
      /^ERR_EXPORT: Expected the ONNX file to predict .*, but a logit differs by \d.*Nothing was written to out\/net\.onnx; use --to tfjs\.$/,
    );
  });

  test("even where a bias hides the difference from whoever looks at the largest logit", async () => {
    expect(await check(net([1, 2, 3], 1000), net([3, 1, 2], 1000))).toContain("a logit differs by");
  });

  test("or if it cannot be loaded, or has another number of classes", async () => {
    const loading = checkLoaded(net([1, 2, 3]), () => {
      throw new Error("Unknown layer: Mine");
    });
    expect(await loading).toContain("it could not be loaded (Unknown layer: Mine)");
    const two: Predict = (images) => net([1, 2, 3])(images).slice([0, 0], [-1, 2]);
    expect(await check(net([1, 2, 3]), two)).toContain("it gives 2 numbers a picture, not 3");
  });

  test("but an error while one of the two predicts, such as a lack of memory, is not taken for a fault of the file", async () => {
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

  test("and may be as undefined as a model that has diverged, but not where that has numbers", async () => {
    expect(await check(nowhere, nowhere)).toBe("");
    expect(await check(net([1, 2, 3]), nowhere)).toContain("a logit differs by NaN");
  });
});
