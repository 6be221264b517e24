/** A whole run with a team that only pretends to compute: what is asked of it, and what is written about it. */
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { latestCheckpoint } from "./checkpoint.ts";
import { conduct, type ParameterState, type Team } from "./conduct.ts";
import { type GivenOptions, makeConfig } from "./config.ts";
import { lineDisplay } from "./display.ts";
import { readMetrics } from "./metrics.ts";
import { Recorder } from "./recorder.ts";
import { createRunFolder, type RunFolder } from "./run-folder.ts";
import { makeSchedule } from "./schedule.ts";
import { readWeights } from "./weights.ts";

const sizes = { trainSamples: 10, validationSamples: 4, testSamples: 4 };
let dir: string;
let folder: RunFolder;
let lines: string[];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "lockstep-conduct-"));
  folder = createRunFolder(join(dir, "run"), "m", new Date());
  lines = [];
});
afterEach(() => rmSync(dir, { recursive: true }));

/** Its one weight counts the updates. The loss of a sample is `lossAt(step)`; one of each batch is correct. */
class CountingTeam implements Team {
  readonly done: string[] = [];
  updates: number;
  lossAt: (step: number) => number = (step) => 1 / (step + 1);
  evaluationLoss = 0.5;
  /** Right answers of each validation in turn, of 4. */
  validations = [1, 3, 2];
  onStep: (step: number) => void = () => {};

  constructor(updates = 0) {
    this.updates = updates;
  }

  step: Team["step"] = async ({ step, start, end }, beforeCommit) => {
    expect(step).toBe(this.updates);
    this.done.push(`step ${step}`);
    const samples = end - start;
    beforeCommit({ samples, lossSum: this.lossAt(step) * samples, correct: 1, ms: { step: 1 } });
    this.updates++;
    this.onStep(step);
  };

  evaluate: Team["evaluate"] = async ({ part, samples }, stopRequested) => {
    this.done.push(part);
    if (stopRequested()) return undefined;
    const right = part === "validation" ? this.validations.shift()! : samples;
    const confusion = [
      [right, samples - right],
      [0, 0],
    ];
    return { samples, lossSum: this.evaluationLoss * samples, confusion };
  };

  state: Team["state"] = async () => {
    const values = () => Float32Array.of(this.updates);
    return [{ name: "w", shape: [1], weight: values(), velocity: values() }] satisfies ParameterState[];
  };
}

/** Runs, or goes on from the last checkpoint, until the schedule or `stopAfter` ends it. */
async function go(
  options: GivenOptions,
  { team, stopAfter, resume = false }: { team?: CountingTeam; stopAfter?: number; resume?: boolean } = {},
) {
  const config = makeConfig({ batchSize: 4, numEpochs: 2, ...options });
  const schedule = makeSchedule(config, sizes);
  const resumed = resume ? latestCheckpoint(folder.checkpoints, () => {}) : undefined;
  const acting = team ?? new CountingTeam(resumed?.tensors[0]?.weight[0]);
  let stop = false;
  acting.onStep = (step) => {
    stop = step === stopAfter;
  };
  const display = lineDisplay(
    (text) => lines.push(text),
    () => 0,
  );
  const recorder = new Recorder({
    folder,
    config,
    schedule,
    modelName: "M",
    classes: ["a", "b"],
    display,
    startedAt: new Date(0),
    resumed,
  });
  const [doneSteps, endedSteps] = [resumed?.step ?? 0, resumed?.progress.endedSteps ?? 0];
  const outcome = await conduct({ schedule, team: acting, recorder, doneSteps, endedSteps, stopRequested: () => stop });
  return { outcome, team: acting };
}

const rows = () => readMetrics(folder.metrics).map((row) => `${row.type} ${row.step}`);
const checkpoints = () => readdirSync(folder.checkpoints).sort();
const weightOf = () => readWeights(folder, "M").get("w")!.data[0];

describe("conduct", () => {
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
      const rest = new CountingTeam(stopAfter + 1);
      rest.validations = first.team.validations;
      expect((await go({}, { team: rest, resume: true })).outcome).toBe("finished");
      expect(readMetrics(folder.metrics)).toEqual(whole);
      expect(weightOf()).toBe(6);
    },
  );

  test("--max-steps, moved on a resume, leaves one row for the epoch that it had cut", async () => {
    await go({ maxSteps: 4 });
    expect(rows()).toEqual(["step 0", "step 1", "step 2", "epoch 3", "step 3", "epoch 4", "test 4"]);
    expect(weightOf()).toBe(4);
    await go({ maxSteps: 6 }, { resume: true });
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
    await go({ maxSteps: 6 }, { resume: true, stopAfter: 4 });
    expect(existsSync(folder.report)).toBe(false);
    expect(weightOf()).toBe(5);
  });

  test("the best checkpoint is that of the best validation, also when checkpoints come every few steps", async () => {
    await go({ numEpochs: 3, checkpointEvery: 2, keep: 1 });
    expect(checkpoints()).toEqual(["best.safetensors", "step-00000009.safetensors"]);
    const { tensors } = latestCheckpoint(folder.checkpoints, () => {});
    expect(tensors[0]!.weight[0]).toBe(9);
    rmSync(join(folder.checkpoints, "step-00000009.safetensors"));
    const { readWeightsFile } = await import("./weights.ts");
    expect(readWeightsFile(join(folder.checkpoints, "best.safetensors")).get("w")!.data[0]).toBe(6);
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
    await expect(go({}, { team })).rejects.toThrow("There is no good checkpoint. Start again with a lower --lr");
  });

  test("in a validation it stops too, before the epoch's row and checkpoint", async () => {
    const team = new CountingTeam();
    team.evaluationLoss = Number.NaN;
    await expect(go({}, { team })).rejects.toThrow(
      "The validation loss after 3 steps is NaN. There is no good checkpoint.",
    );
    expect(rows()).toEqual(["step 0", "step 1", "step 2"]);
    expect(existsSync(folder.checkpoints)).toBe(false);
  });
});
