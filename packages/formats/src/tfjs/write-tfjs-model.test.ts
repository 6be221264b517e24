/** Checks the bytes of written weights by hand, and that a write which fails changes no file. */
import { existsSync } from "node:fs";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "@lockstep/testing";
import { expect } from "vitest";
import type { TfjsTopology } from "./topology.ts";
import { writeTfjsModel } from "./write-tfjs-model.ts";

const topology: TfjsTopology = {
  modelTopology: { layers: ["fc"] },
  format: "layers-model",
  generatedBy: "",
  convertedBy: null,
  weights: [
    { name: "fc/kernel", shape: [3, 2], dtype: "float32", stateDictName: "fc.weight", axes: [1, 3, 2] },
    { name: "fc/bias", shape: [2], dtype: "float32", stateDictName: "fc.bias" },
  ],
};
const tensor = (shape: number[], ...numbers: number[]) => ({ shape, data: Float32Array.from(numbers) });
/** In another order than the topology's. */
const weights = () =>
  new Map([
    ["fc.bias", tensor([2], 7, 8)],
    ["fc.weight", tensor([2, 3], 1, 2, 3, 4, 5, 6)],
  ]);

test("writeTfjsModel writes the weights in the topology's order and TensorFlow.js' layout", async ({ folder }) => {
  const dir = join(folder, "made", "here");
  await writeTfjsModel(dir, topology, weights());
  const bytes = await readFile(join(dir, "weights.bin"));
  expect([...new Float32Array(new Uint8Array(bytes).buffer)]).toEqual([1, 4, 2, 5, 3, 6, 7, 8]);
  const { weightsManifest, modelTopology } = JSON.parse(await readFile(join(dir, "model.json"), "utf8"));
  expect(modelTopology).toEqual(topology.modelTopology);
  expect(weightsManifest).toEqual([
    {
      paths: ["weights.bin"],
      weights: [
        { name: "fc/kernel", shape: [3, 2], dtype: "float32" },
        { name: "fc/bias", shape: [2], dtype: "float32" },
      ],
    },
  ]);
});

test("writeTfjsModel names each tensor that is missing, unexpected or of another size, and writes nothing", async ({
  folder,
}) => {
  const others = weights();
  others.delete("fc.weight");
  others.set("fc.bias", tensor([3], 1, 2, 3));
  others.set("fc3.0.bias", tensor([4], 1, 2, 3, 4));
  const dir = join(folder, "refused");
  await expect(writeTfjsModel(dir, topology, others)).rejects.toThrow(
    "fc.weight is missing\n  fc.bias has 3 elements, expected 2\n  fc3.0.bias is unexpected\n",
  );
  expect(existsSync(dir)).toBe(false);
});

test("writeTfjsModel keeps the existing files if the check of the new ones fails", async ({ folder }) => {
  const dir = join(folder, "checked");
  await writeTfjsModel(dir, topology, weights());
  const before = await readFile(join(dir, "weights.bin"));
  const changed = weights().set("fc.bias", tensor([2], 0, 0));
  const check = async (written: string) => {
    expect(await readdir(written)).toEqual(["model.json", "weights.bin"]);
    throw new RangeError("not the same");
  };
  await expect(writeTfjsModel(dir, topology, changed, check)).rejects.toThrow("not the same");
  expect(await readFile(join(dir, "weights.bin"))).toEqual(before);
  expect(await readdir(dir)).toEqual(["model.json", "weights.bin"]);
});

test("writeTfjsModel reports a file in the place of the folder", async ({ folder }) => {
  const file = join(folder, "file");
  await writeFile(file, "");
  await expect(writeTfjsModel(file, topology, weights())).rejects.toMatchObject({
    code: "ERR_NOT_WRITABLE",
    message: expect.stringContaining(`(EEXIST: ${file} is a file, not a folder)`),
  });
});
