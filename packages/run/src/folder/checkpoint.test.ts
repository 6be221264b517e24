/** Tests that checkpoints hold what was saved, and which of them are kept. */
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { LockstepError } from "@lockstep/errors";
import { temporaryName } from "@lockstep/files";
import { test as base } from "@lockstep/testing";
import fc from "fast-check";
import { expect } from "vitest";
import { smallCheckpoint } from "../testing/small-checkpoint.ts";
import { latestCheckpoint, readCheckpoint, saveCheckpoint } from "./checkpoint.ts";

/** Tests with the folder `dir` of a run's checkpoints, which does not exist before the first save. */
const test = base.extend("dir", ({ folder }) => join(folder, "checkpoints"));

const noWarning = (message: string) => expect.fail(message);

/** Any checkpoint with up to three tensors. */
function anyCheckpoint() {
  const count = fc.nat(1e9);
  const finite = fc.double({ noNaN: true, noDefaultInfinity: true }).filter((value) => !Object.is(value, -0));
  const accuracy = fc.constantFrom(0, 0.1, 1 / 3, 1);
  const best = fc.record({ step: count, accuracy }, { noNullPrototype: true });
  const progress = fc.record(
    { lossSum: finite, correct: count, samples: count, endedSteps: count, best },
    { requiredKeys: ["lossSum", "correct", "samples", "endedSteps"], noNullPrototype: true },
  );
  const values = fc.array(fc.float(), { minLength: 3, maxLength: 3 }).map((all) => Float32Array.from(all));
  const name = fc.string({ minLength: 1 });
  const tensor = fc.record({ name, shape: fc.constant<number[]>([1, 3]), weight: values, velocity: values });
  const tensors = fc.uniqueArray(tensor, { selector: ({ name }) => name, maxLength: 3 });
  return fc.record({ step: count, epoch: count, seed: count, progress, tensors });
}

test("a checkpoint that is read equals the one that was saved", async ({ dir }) => {
  await fc.assert(
    fc.asyncProperty(anyCheckpoint(), async (checkpoint) => {
      expect(readCheckpoint(await saveCheckpoint(dir, checkpoint, { keep: 1 }))).toEqual(checkpoint);
    }),
  );
});

test("the last checkpoints and the best one are kept", async ({ dir }) => {
  const best = { step: 20, accuracy: 0.5 };
  await saveCheckpoint(dir, smallCheckpoint(10, { step: 10, accuracy: 0.4 }), { keep: 2 });
  expect(readCheckpoint(join(dir, "best.safetensors")).step).toBe(10);
  for (const step of [20, 30, 40]) await saveCheckpoint(dir, smallCheckpoint(step, best), { keep: 2 });
  expect(readdirSync(dir)).toEqual(["best.safetensors", "step-00000030.safetensors", "step-00000040.safetensors"]);
  expect(readCheckpoint(join(dir, "best.safetensors"))).toEqual(smallCheckpoint(20, best));
  expect(latestCheckpoint(dir, noWarning)).toEqual(smallCheckpoint(40, best));
});

test("the next save deletes the temporary file of a killed process, but not the user's files", async ({ dir }) => {
  await saveCheckpoint(dir, smallCheckpoint(10), { keep: 2 });
  for (const name of [temporaryName("step-00000015.safetensors"), "users.tmp"]) writeFileSync(join(dir, name), "half");
  await saveCheckpoint(dir, smallCheckpoint(20), { keep: 2 });
  expect(readdirSync(dir)).toEqual(["step-00000010.safetensors", "step-00000020.safetensors", "users.tmp"]);
});

test("a process that has lost the folder deletes no checkpoint of its new holder", async ({ dir }) => {
  const taken = new LockstepError("ERR_RUN_TAKEN", "Another process has taken the folder.");
  await saveCheckpoint(dir, smallCheckpoint(30), { keep: 1 });
  const lease = {
    assertHeld() {
      throw taken;
    },
  };
  await expect(saveCheckpoint(dir, smallCheckpoint(20), { keep: 1, lease })).rejects.toBe(taken);
  expect(latestCheckpoint(dir, noWarning).step).toBe(30);
});

test("a run without validation has no best checkpoint", async ({ dir }) => {
  await saveCheckpoint(dir, smallCheckpoint(10), { keep: 1 });
  await saveCheckpoint(dir, smallCheckpoint(20), { keep: 1 });
  expect(readdirSync(dir)).toEqual(["step-00000020.safetensors"]);
});

test("the steps of checkpoints are ordered as numbers", async ({ dir }) => {
  for (const step of [99_999_999, 100_000_000]) await saveCheckpoint(dir, smallCheckpoint(step), { keep: 2 });
  expect(latestCheckpoint(dir, noWarning).step).toBe(100_000_000);
});

test("a folder without checkpoints is refused", ({ dir }) => {
  expect(() => latestCheckpoint(dir, noWarning)).toThrow(`Expected a checkpoint in ${dir}, found none.`);
});
