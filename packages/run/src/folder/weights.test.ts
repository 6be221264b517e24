import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeSafetensors } from "@lockstep/formats";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readWeightsFile } from "./weights.ts";

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "lockstep-weights-"));
});
afterAll(() => rmSync(dir, { recursive: true }));

const shape = [2, 2, 3];
const tensor = (name: string, ...spoilt: [index: number, value: number][]) => {
  const data = new Float32Array(12);
  for (const [index, value] of spoilt) data[index] = value;
  return { name, shape, data };
};

test("weights with NaN or infinity are refused with the tensor's name and the place", async () => {
  const path = join(dir, "w.safetensors");
  for (const [value, text] of [
    [Number.NaN, "NaN"],
    [Number.POSITIVE_INFINITY, "Infinity"],
    [Number.NEGATIVE_INFINITY, "-Infinity"],
  ] as const) {
    await writeSafetensors(path, [tensor("conv1.0.bias"), tensor("fc2.0.weight", [7, value], [11, value])]);
    const message = `${path}: expected finite numbers, found ${text} in "fc2.0.weight" [2, 2, 3] at [1, 0, 1].`;
    const code = "ERR_WEIGHTS_NOT_FINITE";
    expect(() => readWeightsFile(path)).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(message) }),
    );
  }
});

test("the momentum in a checkpoint is left out, and may be anything", async () => {
  const path = join(dir, "checkpoint.safetensors");
  await writeSafetensors(path, [tensor("fc.weight"), tensor("momentum.fc.weight", [0, Number.NaN])]);
  expect([...readWeightsFile(path).keys()]).toEqual(["fc.weight"]);
});
