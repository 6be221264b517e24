/** Tests the reading of weights files. */
import { join } from "node:path";
import { writeSafetensors } from "@lockstep/formats";
import { test } from "@lockstep/testing";
import { expect } from "vitest";
import { readWeightsFile } from "./weights.ts";

const shape = [2, 2, 3];
const tensor = (name: string, ...spoilt: [index: number, value: number][]) => {
  const data = new Float32Array(12);
  for (const [index, value] of spoilt) data[index] = value;
  return { name, shape, data };
};

test.for([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])(
  "weights with %s are refused with the tensor's name and the place",
  async (value, { folder }) => {
    const path = join(folder, "w.safetensors");
    await writeSafetensors(path, [tensor("conv1.0.bias"), tensor("fc2.0.weight", [7, value], [11, value])]);
    const message = `${path}: expected finite numbers, found ${value} in "fc2.0.weight" [2, 2, 3] at [1, 0, 1].`;
    const code = "ERR_WEIGHTS_NOT_FINITE";
    expect(() => readWeightsFile(path)).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(message) }),
    );
  },
);

test("the weights in a checkpoint are read without the momentum, which may hold anything", async ({ folder }) => {
  const path = join(folder, "checkpoint.safetensors");
  await writeSafetensors(path, [tensor("fc.weight"), tensor("momentum.fc.weight", [0, Number.NaN])]);
  expect([...readWeightsFile(path).keys()]).toEqual(["fc.weight"]);
});
