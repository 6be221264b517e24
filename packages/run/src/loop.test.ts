/** A whole run with a team that only pretends to compute: what is asked of it, and what is written about it. */

import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ExplicitOptions } from "@lockstep/config";
import { LockstepError } from "@lockstep/errors";
import { defined } from "@lockstep/testing";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { latestCheckpoint, readCheckpoint } from "./folder/checkpoint.ts";
import { readMetrics } from "./folder/metrics.ts";
import { createRunFolder, type RunFolder } from "./folder/run-folder.ts";
import { readWeights, readWeightsFile } from "./folder/weights.ts";
import { CountingTeam, countingRun, resumedCountingRun, turn } from "./testing/counting-team.ts";

let dir: string;
let folder: RunFolder;
let lines: string[];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "lockstep-loop-"));
  folder = createRunFolder(join(dir, "run"), "m", new Date());
  lines = [];
});
afterEach(() => rmSync(dir, { recursive: true }));

/** Runs until the schedule or `stopAfter` ends it. */
async function go(
  options: ExplicitOptions,
  { team = new CountingTeam(), stopAfter }: { team?: CountingTeam; stopAfter?: number } = {},
) {
  return { outcome: await countingRun({ folder, options, team, stopAfter, lines }).outcome(), team };
}

/** Goes on from the last checkpoint. */
async function resume(options: ExplicitOptions, more: { team?: CountingTeam; stopAfter?: number } = {}) {
  return resumedCountingRun({ folder, options, lines, ...more }).outcome();
}

function gate(): { opened: Promise<void>; open: () => void } {
  let open = () => {};
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { opened, open: () => open() };
}

const rows = () => readMetrics(folder.metrics).map((row) => `${row.type} ${row.step}`);
const checkpoints = () => readdirSync(folder.checkpoints).sort();
const weightOf = () => defined(readWeights(folder, "M").get("w")).data[0];

describe("the training loop", () => {
  test("does the schedule and writes it down", async () => {
    const { outcome, team } = await go({});
    expect(outcome).toBe("finished");
    expect(team.done.join()).toBe("step 0,step 1,step 2,validation,step 3,step 4,step 5,validation,test");
    expect(rows()).toEqual([
      "step 0",
      "step 1",
      "step 2",
      "epoch 3",
      "step 3",
      "step 4",
      "step 5",
      "epoch 6",
      "test 6",
    ]);
    // Batches of 4, 4 and 2 samples with losses 1, 1/2 and 1/3: (4 + 2 + 2/3) / 10; 3 of 10 correct, then 1 of 4.
    expect(lines).toContain("[Epoch   1] train_loss: 0.667 train_acc: 30.000% eval_loss: 0.500 eval_acc: 25.000%");
    expect(lines).toContain("[Test ] loss: 0.500 acc: 100.000%");
    expect(weightOf()).toBe(6);
    expect(checkpoints()).toEqual(["best.safetensors", "step-00000003.safetensors", "step-00000006.safetensors"]);
  });

  test.each([0, 1, 2, 3, 4, 5])(
    "a stop after step %d and a resume leave the record of a run that never stopped",
    async (stopAfter) => {
      await go({});
      const whole = readMetrics(folder.metrics);
      folder = createRunFolder(join(dir, "again"), "m", new Date());
      const first = await go({}, { stopAfter });
      expect(first.outcome).toBe("interrupted");
      expect(existsSync(folder.weights("M"))).toBe(false);
      expect(await resume({})).toBe("finished");
      expect(readMetrics(folder.metrics)).toEqual(whole);
      expect(weightOf()).toBe(6);
    },
  );

  test("--max-steps, moved on a resume, leaves one row for the epoch that it had cut", async () => {
    await go({ maxSteps: 4 });
    expect(rows()).toEqual(["step 0", "step 1", "step 2", "epoch 3", "step 3", "epoch 4", "test 4"]);
    expect(weightOf()).toBe(4);
    await resume({ maxSteps: 6 });
    expect(rows()).toEqual([
      "step 0",
      "step 1",
      "step 2",
      "epoch 3",
      "step 3",
      "step 4",
      "step 5",
      "epoch 6",
      "test 6",
    ]);
    expect(weightOf()).toBe(6);
  });

  test("while a finished run goes on, its old results do not pass for the new ones", async () => {
    await go({ maxSteps: 2 });
    expect(existsSync(folder.report)).toBe(true);
    await resume({ maxSteps: 6 }, { stopAfter: 4 });
    expect(existsSync(folder.report)).toBe(false);
    expect(weightOf()).toBe(5);
  });

  test("the best checkpoint is that of the best validation, also when checkpoints come every few steps", async () => {
    await go({ numEpochs: 3, checkpointEvery: 2, keep: 1 });
    expect(checkpoints()).toEqual(["best.safetensors", "step-00000009.safetensors"]);
    const { tensors } = latestCheckpoint(folder.checkpoints, () => {});
    expect(defined(tensors[0]).weight[0]).toBe(9);
    rmSync(join(folder.checkpoints, "step-00000009.safetensors"));
    expect(defined(readWeightsFile(join(folder.checkpoints, "best.safetensors")).get("w")).data[0]).toBe(6);
  });
});

/** Its state after some updates comes late, or not at all; it is always what it was when it was asked for. */
class LateTeam extends CountingTeam {
  /** States by number of updates. */
  readonly late = new Map<number, () => Promise<void>>();

  override captureState() {
    const late = this.late.get(this.updates);
    const { read } = super.captureState();
    return {
      read: async () => {
        await late?.();
        return read();
      },
    };
  }
}

describe("a checkpoint beside the training", () => {
  const lost = new LockstepError("ERR_ALL_LOST", "The worker that sent its state was lost.");
  const fails = async () => {
    throw lost;
  };

  test("holds what was when it was asked for, however late it comes", async () => {
    const team = new LateTeam();
    const late = gate();
    team.late.set(3, () => late.opened);
    team.onStep = (step) => {
      if (step !== 4) return;
      expect(existsSync(folder.checkpoints)).toBe(false);
      late.open();
    };
    await go({}, { team });
    const { step, epoch, progress, tensors } = readCheckpoint(join(folder.checkpoints, "step-00000003.safetensors"));
    expect([step, epoch, defined(tensors[0]).weight[0]]).toEqual([3, 1, 3]);
    expect(progress).toEqual({
      lossSum: 0,
      correct: 0,
      samples: 0,
      endedSteps: 3,
      best: { step: 3, accuracy: 0.25 },
    });
  });

  test("is whole before the next one is asked for", async () => {
    const team = new CountingTeam();
    const there: string[] = [];
    const capture = team.captureState.bind(team);
    team.captureState = () => {
      there.push(existsSync(folder.checkpoints) ? defined(checkpoints().at(-1)) : "none");
      return capture();
    };
    await go({ maxSteps: 3, checkpointEvery: 1 }, { team });
    // The last is that of the final weights.
    expect(there).toEqual(["none", ...[1, 2, 3].map((step) => `step-0000000${step}.safetensors`)]);
  });

  test("that fails ends the run at its next step, once; the one before stays, and the run can go on", async () => {
    const team = new LateTeam();
    team.late.set(2, fails);
    await expect(go({ checkpointEvery: 1 }, { team })).rejects.toBe(lost);
    expect(team.updates).toBe(2);
    expect(rows()).toEqual(["step 0", "step 1"]);
    expect(lines.join()).not.toContain(lost.message);
    expect(checkpoints()).toEqual(["step-00000001.safetensors"]);
    expect(await resume({})).toBe("finished");
    expect(weightOf()).toBe(6);
  });

  test("that fails after the last step ends the run before the final weights", async () => {
    const team = new LateTeam();
    team.late.set(6, fails);
    await expect(go({}, { team })).rejects.toBe(lost);
    expect(existsSync(folder.weights("M"))).toBe(false);
    expect(await resume({})).toBe("finished");
  });

  test("is written when an interrupted run ends", async () => {
    const team = new LateTeam();
    team.late.set(2, async () => {
      for (let i = 0; i < 10; i++) await turn();
    });
    expect((await go({}, { team, stopAfter: 1 })).outcome).toBe("interrupted");
    expect(checkpoints()).toEqual(["step-00000002.safetensors"]);
  });

  test("is written, too, when an error ends the run; its own error is then a line", async () => {
    const ending = new LockstepError("ERR_REPLICA", "Something else ended the run.");
    const failing = (late: () => Promise<void>) => {
      const team = new LateTeam();
      const ended = gate();
      team.late.set(2, () => ended.opened.then(late));
      team.onStep = (step) => {
        if (step !== 2) return;
        ended.open();
        throw ending;
      };
      return team;
    };
    await expect(go({ checkpointEvery: 2 }, { team: failing(turn) })).rejects.toBe(ending);
    expect(checkpoints()).toEqual(["step-00000002.safetensors"]);
    await expect(go({ checkpointEvery: 2 }, { team: failing(fails) })).rejects.toBe(ending);
    expect(lines).toContain(lost.message);
  });

  test("that a kill kept from being written leaves each epoch's row once", async () => {
    await go({}, { stopAfter: 2 }); // its checkpoint is of after the epoch's last step and before its validation
    const killed = new LateTeam(3);
    killed.late.set(3, fails);
    await expect(resume({}, { team: killed })).rejects.toBe(lost);
    expect(rows()).toEqual(["step 0", "step 1", "step 2", "epoch 3"]);
    await resume({});
    expect(rows().filter((row) => row.startsWith("epoch"))).toEqual(["epoch 3", "epoch 6"]);
  });
});

describe("several replicas", () => {
  test("are compared at the end of each epoch, before its row", async () => {
    const team = Object.assign(new CountingTeam(), {
      checkReplicas: async () => {
        team.done.push(`check after ${rows().at(-1)}`);
      },
    });
    await go({}, { team });
    expect(team.done.join()).toBe(
      "step 0,step 1,step 2,validation,check after step 2,step 3,step 4,step 5,validation,check after step 5,test",
    );
  });

  test("that differ end the run without a row or a checkpoint of that epoch", async () => {
    const differ = new LockstepError("ERR_REPLICA", "Replicas differ.");
    const checkReplicas = () => Promise.reject(differ);
    await expect(go({}, { team: Object.assign(new CountingTeam(), { checkReplicas }) })).rejects.toBe(differ);
    expect(rows().at(-1)).toBe("step 2");
    expect(existsSync(folder.checkpoints)).toBe(false);
  });
});

describe("a loss that is not finite", () => {
  test("stops before the update, and the last good checkpoint is one whose weights gave a finite loss", async () => {
    const team = new CountingTeam();
    team.lossAt = (step) => (step < 4 ? 1 : Number.NaN);
    const failed = go({ checkpointEvery: 1, keep: 3 }, { team });
    // Weights after 4 updates are what step 4 computed with, so the good ones are those after 3.
    await expect(failed).rejects.toThrow(
      `The loss of step 4 is NaN at learning rate 0.01; its update was not applied. The last good checkpoint is ${join(folder.checkpoints, "step-00000003.safetensors")}.`,
    );
    expect(team.updates).toBe(4);
    expect(rows().at(-1)).toBe("step 3");
  });

  test("without a good checkpoint the message says so", async () => {
    const team = new CountingTeam();
    team.lossAt = () => Number.POSITIVE_INFINITY;
    await expect(go({}, { team })).rejects.toThrow("No good checkpoint exists. Start again with a lower --lr");
  });

  test("in a validation it stops too, before the epoch's row and checkpoint", async () => {
    const team = new CountingTeam();
    team.evaluationLoss = Number.NaN;
    await expect(go({}, { team })).rejects.toThrow(
      "The validation loss after 3 steps is NaN. No good checkpoint exists.",
    );
    expect(rows()).toEqual(["step 0", "step 1", "step 2"]);
    expect(existsSync(folder.checkpoints)).toBe(false);
  });

  test.each([
    [1, "No good checkpoint exists."],
    [2, "The last good checkpoint is "],
  ])("names what is there once the checkpoint under way is written, with --keep %d", async (keep, remedy) => {
    const team = new LateTeam();
    const late = gate();
    team.late.set(4, () => late.opened);
    team.lossAt = (step) => {
      if (step < 4) return 1;
      late.open();
      return Number.NaN;
    };
    await expect(go({ checkpointEvery: 1, keep }, { team })).rejects.toThrow(remedy);
    expect(checkpoints()).toContain("step-00000004.safetensors");
  });
});
