import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { tf } from "@lockstep/engine";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { expectSamePredictions, type Predict } from "./load-back.ts";

let dir: string;
beforeAll(async () => {
  await tf.setBackend("cpu");
  dir = mkdtempSync(join(tmpdir(), "lockstep-load-back-"));
});
afterAll(() => rmSync(dir, { recursive: true }));

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

async function check(model: Predict, loaded: Predict): Promise<string> {
  const files = ["a.bin", "b.bin"].map((name) => join(dir, name));
  for (const file of files) writeFileSync(file, "");
  const exported = { format: "ONNX file", files, load: () => loaded, remedy: "use --to tfjs" };
  const message = await expectSamePredictions(model, [2, 2, 3], exported).then(
    () => "",
    (error) => `${error.code}: ${error.message}`,
  );
  expect(files.map((file) => existsSync(file))).toEqual(Array(2).fill(message === ""));
  return message;
}

describe("An export is loaded back before it is said to be done", () => {
  test("and is right if it predicts what the model does, but for rounding", async () => {
    expect(await check(net([1, 2, 3]), net([1, 2, 3]))).toBe("");
    expect(await check(net([1, 2, 3]), net([1, 2, 3], 1e-4))).toBe("");
  });

  test("and is removed, with an error that names the format, if it has the channels in another order", async () => {
    expect(await check(net([1, 2, 3]), net([3, 1, 2]))).toMatch(
      /^ERR_EXPORT: Expected the ONNX file to predict .*, but a logit differs by \d.*a\.bin and .*b\.bin were removed; use --to tfjs\.$/,
    );
  });

  test("even where a bias hides the difference from whoever looks at the largest logit", async () => {
    expect(await check(net([1, 2, 3], 1000), net([3, 1, 2], 1000))).toContain("a logit differs by");
  });

  test("or if it cannot be loaded, or has another number of classes", async () => {
    const broken: Predict = () => {
      throw new Error("Unknown layer: Mine");
    };
    expect(await check(net([1, 2, 3]), broken)).toContain("it could not be loaded (Unknown layer: Mine)");
    const two: Predict = (images) => net([1, 2, 3])(images).slice([0, 0], [-1, 2]);
    expect(await check(net([1, 2, 3]), two)).toContain("it gives 2 numbers a picture, not 3");
  });

  test("and may be as undefined as a model that has diverged, but not where that has numbers", async () => {
    expect(await check(nowhere, nowhere)).toBe("");
    expect(await check(net([1, 2, 3]), nowhere)).toContain("a logit differs by NaN");
  });
});
