/** Tests of a whole run with a team that only pretends to compute: what is asked of the team, and what is recorded. */
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { LockstepError } from "@lockstep/errors";
import { defined } from "@lockstep/testing";
import { expect } from "vitest";
import { latestCheckpoint } from "./folder/checkpoint.ts";
import { readMetrics } from "./folder/metrics.ts";
import { readWeightsFile } from "./folder/weights.ts";
import { CountingTeam } from "./testing/counting-team.ts";
import { RecordedRun, test } from "./testing/recorded-run.ts";

/** The rows of two epochs of three steps, and of the test. */
const WHOLE_RUN = ["step 0", "step 1", "step 2", "epoch 3", "step 3", "step 4", "step 5", "epoch 6", "test 6"];

test("the training loop carries out the schedule and records it", async ({ run }) => {
  const team = new CountingTeam();
  expect(await run.train({}, { team })).toBe("finished");
  expect(team.done.join()).toBe("step 0,step 1,step 2,validation,step 3,step 4,step 5,validation,test,charts");
  expect(run.rows).toEqual(WHOLE_RUN);
  // Batches of 4, 4 and 2 samples with losses 1, 1/2 and 1/3: (4 + 2 + 2/3) / 10; 3 of 10 correct, then 1 of 4.
  expect(run.lines).toContain("[Epoch   1] train_loss: 0.667 train_acc: 30.000% eval_loss: 0.500 eval_acc: 25.000%");
  expect(run.lines).toContain("[Test ] loss: 0.500 acc: 100.000%");
  expect(run.weight).toBe(6);
  expect(run.checkpoints).toEqual(["best.safetensors", "step-00000003.safetensors", "step-00000006.safetensors"]);
});

test.for([0, 1, 2, 3, 4, 5])(
  "a run that stops after step %d and is resumed leaves the record of an uninterrupted run",
  async (stopAfter, { run, folder }) => {
    const whole = new RecordedRun(join(folder, "whole"));
    await whole.train({});
    expect(await run.train({}, { stopAfter })).toBe("interrupted");
    expect(existsSync(run.folder.weights("M"))).toBe(false);
    expect(await run.resume({})).toBe("finished");
    expect(readMetrics(run.folder.metrics)).toEqual(readMetrics(whole.folder.metrics));
    expect(run.weight).toBe(6);
  },
);

test("a resume with a higher --max-steps leaves one row for the epoch that was cut short", async ({ run }) => {
  await run.train({ maxSteps: 4 });
  expect(run.rows).toEqual(["step 0", "step 1", "step 2", "epoch 3", "step 3", "epoch 4", "test 4"]);
  expect(run.weight).toBe(4);
  await run.resume({ maxSteps: 6 });
  expect(run.rows).toEqual(WHOLE_RUN);
  expect(run.weight).toBe(6);
});

test("a finished run that is continued has no old results that could pass for the new ones", async ({ run }) => {
  await run.train({ maxSteps: 2 });
  expect(existsSync(run.folder.report)).toBe(true);
  await run.resume({ maxSteps: 6 }, { stopAfter: 4 });
  expect(existsSync(run.folder.report)).toBe(false);
  expect(run.weight).toBe(5);
});

test("the best checkpoint is that of the best validation, also with checkpoints every few steps", async ({ run }) => {
  await run.train({ numEpochs: 3, checkpointEvery: 2, keep: 1 });
  expect(run.checkpoints).toEqual(["best.safetensors", "step-00000009.safetensors"]);
  const { tensors } = latestCheckpoint(run.folder.checkpoints, () => {});
  expect(defined(tensors[0]).weight[0]).toBe(9);
  rmSync(run.checkpoint(9));
  expect(defined(readWeightsFile(run.best).get("w")).data[0]).toBe(6);
});

test("replicas are compared at the end of each epoch, before its row is written", async ({ run }) => {
  const team = Object.assign(new CountingTeam(), {
    checkReplicas: async () => void team.done.push(`check after ${run.rows.at(-1)}`),
  });
  await run.train({}, { team });
  expect(team.done.join()).toBe(
    "step 0,step 1,step 2,validation,check after step 2,step 3,step 4,step 5,validation,check after step 5,test,charts",
  );
});

test("replicas that differ end the run without a row or a checkpoint of that epoch", async ({ run }) => {
  const differ = new LockstepError("ERR_REPLICA", "Replicas differ.");
  const team = Object.assign(new CountingTeam(), { checkReplicas: () => Promise.reject(differ) });
  await expect(run.train({}, { team })).rejects.toBe(differ);
  expect(run.rows.at(-1)).toBe("step 2");
  expect(existsSync(run.folder.checkpoints)).toBe(false);
});
