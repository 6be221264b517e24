/** Tests of checkpoints that are written while the training goes on: what they hold, and how a run ends with them. */
import { existsSync } from "node:fs";
import { LockstepError } from "@lockstep/errors";
import { defined } from "@lockstep/testing";
import { expect } from "vitest";
import { readCheckpoint } from "./folder/checkpoint.ts";
import { CountingTeam, turn } from "./testing/counting-team.ts";
import { Gate, LateTeam } from "./testing/late-team.ts";
import { test } from "./testing/recorded-run.ts";

const lost = new LockstepError("ERR_ALL_LOST", "The worker that sent its state was lost.");
const fails = () => Promise.reject(lost);

test("a checkpoint holds the state at the time of its request, however late the state arrives", async ({ run }) => {
  const team = new LateTeam();
  const late = new Gate();
  team.late.set(3, () => late.opened);
  team.onStep = (step) => {
    if (step !== 4) return;
    expect(existsSync(run.folder.checkpoints)).toBe(false);
    late.open();
  };
  await run.train({}, { team });
  const best = { step: 3, accuracy: 0.25 };
  expect(readCheckpoint(run.checkpoint(3))).toMatchObject({
    step: 3,
    epoch: 1,
    progress: { lossSum: 0, correct: 0, samples: 0, endedSteps: 3, best },
    tensors: [{ name: "w", weight: Float32Array.of(3) }],
  });
});

test("a checkpoint is complete before the next one is requested", async ({ run }) => {
  const team = new CountingTeam();
  const newest: string[] = [];
  const capture = team.captureState.bind(team);
  team.captureState = () => {
    newest.push(existsSync(run.folder.checkpoints) ? defined(run.checkpoints.at(-1)) : "none");
    return capture();
  };
  await run.train({ maxSteps: 3, checkpointEvery: 1 }, { team });
  // The last request is for the final weights.
  expect(newest).toEqual(["none", ...[1, 2, 3].map((step) => `step-0000000${step}.safetensors`)]);
});

test("a checkpoint that fails ends the run at its next step, and the run can be resumed", async ({ run }) => {
  const team = new LateTeam();
  team.late.set(2, fails);
  await expect(run.train({ checkpointEvery: 1 }, { team })).rejects.toBe(lost);
  expect(team.updates).toBe(2);
  expect(run.rows).toEqual(["step 0", "step 1"]);
  expect(run.lines.join()).not.toContain(lost.message); // the error is reported once, by the caller
  expect(run.checkpoints).toEqual(["step-00000001.safetensors"]);
  expect(await run.resume({})).toBe("finished");
  expect(run.weight).toBe(6);
});

test("a checkpoint that fails after the last step ends the run before the final weights", async ({ run }) => {
  const team = new LateTeam();
  team.late.set(6, fails);
  await expect(run.train({}, { team })).rejects.toBe(lost);
  expect(existsSync(run.folder.weights("M"))).toBe(false);
  expect(await run.resume({})).toBe("finished");
});

test("an interrupted run ends when its checkpoint is written", async ({ run }) => {
  const team = new LateTeam();
  team.late.set(2, async () => {
    for (let i = 0; i < 10; i++) await turn();
  });
  expect(await run.train({}, { team, stopAfter: 1 })).toBe("interrupted");
  expect(run.checkpoints).toEqual(["step-00000002.safetensors"]);
});

const ending = new LockstepError("ERR_REPLICA", "Something else ended the run.");

/** Returns a team whose third step fails while the checkpoint before it is under way, which then does `next`. */
function teamThatFails(next: () => Promise<void>): CountingTeam {
  const team = new LateTeam();
  const ended = new Gate();
  team.late.set(2, () => ended.opened.then(next));
  team.onStep = (step) => {
    if (step !== 2) return;
    ended.open();
    throw ending;
  };
  return team;
}

test("a checkpoint is written even if an error ends the run meanwhile", async ({ run }) => {
  await expect(run.train({ checkpointEvery: 2 }, { team: teamThatFails(turn) })).rejects.toBe(ending);
  expect(run.checkpoints).toEqual(["step-00000002.safetensors"]);
});

test("the error of a checkpoint is only a line if another error has ended the run", async ({ run }) => {
  await expect(run.train({ checkpointEvery: 2 }, { team: teamThatFails(fails) })).rejects.toBe(ending);
  expect(run.lines).toContain(lost.message);
});

test("a checkpoint that a kill prevented leaves each epoch's row once", async ({ run }) => {
  await run.train({}, { stopAfter: 2 }); // its checkpoint is from after the epoch's last step and before its validation
  const killed = new LateTeam(3);
  killed.late.set(3, fails);
  await expect(run.resume({}, { team: killed })).rejects.toBe(lost);
  expect(run.rows).toEqual(["step 0", "step 1", "step 2", "epoch 3"]);
  await run.resume({});
  expect(run.rows.filter((row) => row.startsWith("epoch"))).toEqual(["epoch 3", "epoch 6"]);
});
