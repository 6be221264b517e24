/** Tests that a damaged checkpoint is skipped for the one before it, and that other files are refused. */
import { readdirSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { writeSafetensors } from "@lockstep/formats";
import { test as base, defined } from "@lockstep/testing";
import { expect } from "vitest";
import { smallCheckpoint } from "../testing/small-checkpoint.ts";
import { latestCheckpoint, readCheckpoint, saveCheckpoint, savedBest } from "./checkpoint.ts";

/** Tests with the folder `dir` of a run's checkpoints, which does not exist before the first save. */
const test = base.extend("dir", ({ folder }) => join(folder, "checkpoints"));

/** Returns the latest checkpoint and the warnings about those that were skipped. */
function latestIn(dir: string) {
  const warnings: string[] = [];
  const checkpoint = latestCheckpoint(dir, (message) => warnings.push(message));
  return { checkpoint, warnings };
}

test("checkpoints with NaN in the weights or the momentum are skipped, with the tensor's name", async ({ dir }) => {
  const good = smallCheckpoint(1);
  await saveCheckpoint(dir, good, { keep: 3 });
  for (const [step, kind] of [
    [2, "weight"],
    [3, "velocity"],
  ] as const) {
    const damaged = smallCheckpoint(step);
    defined(damaged.tensors[0])[kind][4] = Number.NaN;
    await saveCheckpoint(dir, damaged, { keep: 3 });
  }
  expect(latestIn(dir)).toEqual({
    checkpoint: good,
    warnings: [
      expect.stringContaining('found NaN in "momentum.fc.weight" [2, 3] at [1, 1]. '),
      expect.stringContaining('found NaN in "fc.weight" [2, 3] at [1, 1]. '),
    ],
  });
});

test("a last checkpoint that is cut short is skipped with a warning, and the next save deletes it", async ({ dir }) => {
  for (const step of [10, 20]) await saveCheckpoint(dir, smallCheckpoint(step), { keep: 2 });
  truncateSync(join(dir, "step-00000020.safetensors"), 300);
  expect(latestIn(dir)).toEqual({
    checkpoint: smallCheckpoint(10),
    warnings: [expect.stringMatching(/step-00000020\.safetensors: expected .* Trying the checkpoint before it/)],
  });
  await saveCheckpoint(dir, smallCheckpoint(15), { keep: 2 });
  expect(readdirSync(dir)).toEqual(["step-00000010.safetensors", "step-00000015.safetensors"]);
});

test("a last checkpoint cut at any byte is skipped with its name, and is no longer the best", async ({ dir }) => {
  await saveCheckpoint(dir, smallCheckpoint(10), { keep: 2 });
  const best = { step: 20, accuracy: 0.5 };
  const path = await saveCheckpoint(dir, smallCheckpoint(20, best), { keep: 2 });
  expect(savedBest(dir)).toEqual(best);
  for (let length = statSync(path).size - 1; length >= 0; length--) {
    truncateSync(path, length);
    expect({ ...latestIn(dir), best: savedBest(dir) }, `${length} bytes`).toEqual({
      checkpoint: smallCheckpoint(10),
      warnings: [expect.stringMatching(/step-00000020\.safetensors: .* Trying the checkpoint before it/)],
      best: undefined,
    });
  }
});

test("a folder whose checkpoints are all damaged is refused with their number", async ({ dir }) => {
  truncateSync(await saveCheckpoint(dir, smallCheckpoint(1), { keep: 1 }), 300);
  const message = expect.stringContaining("found 1, none of which can be read");
  expect(() => latestCheckpoint(dir, () => {})).toThrow(
    expect.objectContaining({ code: "ERR_NO_CHECKPOINT", message }),
  );
});

const data = Float32Array.of(1);
const weight = { name: "a", shape: [1], data };
const progress = '{"lossSum":0,"correct":0,"samples":0,"endedSteps":0}';
const metadata = { step: "1", epoch: "1", seed: "0", progress };

test.for<[string, Parameters<typeof writeSafetensors>[1], Record<string, string>, string]>([
  ["no metadata", [weight], {}, "expected metadata step, epoch, seed and progress, found {}"],
  ["progress that is not JSON", [], { ...metadata, progress: "{" }, "expected metadata"],
  ["no momentum", [weight], metadata, "expected as many momentum tensors as weights (1), found 0"],
  [
    "momentum of another shape",
    [weight, { name: "momentum.a", shape: [1, 1], data }],
    metadata,
    'expected the momentum of "a" [1], found [1,1]',
  ],
])("a file with %s is refused as a checkpoint", async ([, tensors, metadata, message], { folder }) => {
  const path = join(folder, "step-00000001.safetensors");
  await writeSafetensors(path, tensors, metadata);
  expect(() => readCheckpoint(path)).toThrow(message);
});
