import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ExplicitOptions } from "@lockstep/config";
import { defined } from "@lockstep/testing";
import { beforeEach, describe, expect, test } from "vitest";
import { CountingTeam, countingRun, countingSchedule, resumedCountingRun } from "../testing/counting-team.ts";
import { readCheckpoint } from "./checkpoint.ts";
import { type MetricsRow, readMetrics } from "./metrics.ts";
import { type CheckpointProgress, progressAt } from "./progress.ts";
import { resumePointAt } from "./resume-point.ts";
import { createRunFolder, type RunFolder } from "./run-folder.ts";

let folder: RunFolder;
beforeEach(() => {
  folder = createRunFolder(mkdtempSync(join(tmpdir(), "lockstep-progress-")), "m", new Date());
});

/** Losses whose sums depend on the order and the rounding. */
function team(updates = 0): CountingTeam {
  const counting = new CountingTeam(updates);
  counting.lossAt = (step) => Math.sqrt(step + 2);
  return counting;
}

/** Returns the progress that the interrupt saves when a run stops after step `stopAfter`. */
async function heldAfter(stopAfter: number, options: ExplicitOptions): Promise<CheckpointProgress> {
  await countingRun({ folder, options, team: team(), stopAfter }).outcome();
  const last = defined(readdirSync(folder.checkpoints).findLast((name) => name.startsWith("step-")));
  return readCheckpoint(join(folder.checkpoints, last)).progress;
}

describe("the progress that follows from the rows is what the writer holds", () => {
  // Epochs end after 3, 6 and 9 updates; the second validation is the best. A stop comes before the validation.
  test.each([0, 1, 2, 3, 4, 5, 6, 7, 8])("when a run stopped after step %d", async (at) => {
    const options = { numEpochs: 3 };
    const held = await heldAfter(at, options);
    expect(held.endedSteps).toBe(at - (at % 3)); // an epoch whose last step this was is not ended yet
    expect(resumePointAt(folder, at + 1, countingSchedule(options))).toEqual({ step: at + 1, progress: held });
  });

  test.each([
    ["an epoch's row", {}, 6],
    ["the row of an epoch that --max-steps cut", { maxSteps: 4 }, 4],
    ["the row of an epoch that --max-steps ended", { maxSteps: 3 }, 3],
  ])("when it wrote %s last", async (_, options, step) => {
    await countingRun({ folder, options, team: team() }).outcome();
    const held = readCheckpoint(join(folder.checkpoints, `step-${String(step).padStart(8, "0")}.safetensors`)).progress;
    expect(held.endedSteps).toBe(step);
    expect(resumePointAt(folder, step, countingSchedule(options)).progress).toEqual(held);
  });

  test("when it went on past --max-steps", async () => {
    await countingRun({ folder, options: { maxSteps: 4 }, team: team() }).outcome();
    const resumePoint = resumedCountingRun({ folder, options: {}, team: team(4), stopAfter: 4 });
    await resumePoint.outcome();
    const held = readCheckpoint(join(folder.checkpoints, "step-00000005.safetensors")).progress;
    // The row of the cut epoch is gone, and with it that it was ended: what is left to do is the same.
    expect(held.endedSteps).toBe(4);
    expect(resumePointAt(folder, 5, countingSchedule({})).progress).toEqual({ ...held, endedSteps: 3 });
  });
});

describe("progress from rows", () => {
  const epochs = { steps: 6, stepsPerEpoch: 3 };
  const step = (step: number): MetricsRow => {
    return { type: "step", epoch: 1, step, loss: step + 1, samples: 10, correct: step, lr: 0.1, ms: { step: 1 } };
  };
  const epoch = (step: number, evalAccuracy: number): MetricsRow => {
    return { type: "epoch", epoch: 1, step, trainLoss: 2, trainAccuracy: 0.1, samples: 30, evalAccuracy };
  };
  const rows = [step(0), step(1), step(2), epoch(3, 0.5), step(3), step(4), step(5), epoch(6, 0.7)];

  test.each([
    [0, { lossSum: 0, correct: 0, samples: 0, endedSteps: 0 }],
    [2, { lossSum: 30, correct: 1, samples: 20, endedSteps: 0 }],
    [3, { lossSum: 0, correct: 0, samples: 0, endedSteps: 3, best: { step: 3, accuracy: 0.5 } }],
    [5, { lossSum: 90, correct: 7, samples: 20, endedSteps: 3 }],
  ])("after %d updates equals the sums worked by hand", (at, progress) => {
    expect(progressAt(rows, at, epochs, undefined)).toEqual(progress);
  });

  test("the best is the saved one, or one after the step itself, whose state there is; not one whose state is lost", () => {
    const saved = { step: 3, accuracy: 0.5 };
    expect(progressAt(rows, 3, epochs, undefined).best).toEqual(saved);
    expect(progressAt(rows, 4, epochs, saved).best).toEqual(saved);
    expect(progressAt(rows, 4, epochs, undefined).best).toBeUndefined();
    expect(progressAt(rows, 6, epochs, saved).best).toEqual({ step: 6, accuracy: 0.7 });
    expect(progressAt(rows, 6, epochs, { step: 3, accuracy: 0.8 }).best).toEqual({ step: 3, accuracy: 0.8 });
  });

  test.each([
    ["in the middle", [step(0), step(2)], 1],
    ["at the end", [step(0), step(1)], 2],
    ["twice, and one not at all", [step(0), step(0), step(2)], 1],
  ])("a row that is missing %s is told", (_, some, missing) => {
    expect(() => progressAt(some, 3, epochs, undefined)).toThrow(
      `Expected metrics.jsonl to hold steps 0 to 2 in order, but step ${missing} is missing or out of order. Continue from the last`,
    );
  });
});

describe("a run that goes on from a step that only its workers hold", () => {
  test.each([1, 2, 3, 4, 5])("after %d updates writes what one that never stopped writes", async (at) => {
    const options = { numEpochs: 3, keep: 9 };
    const whole = createRunFolder(mkdtempSync(join(tmpdir(), "lockstep-progress-")), "m", new Date());
    await countingRun({ folder: whole, options, team: team() }).outcome();
    const stopped = team();
    await countingRun({ folder, options, team: stopped, stopAfter: at }).outcome();
    // The step's checkpoint is not there; the row of the step after it, whose commit was not sent, is.
    rmSync(join(folder.checkpoints, `step-${String(at + 1).padStart(8, "0")}.safetensors`));
    const resumePoint = resumePointAt(folder, at, countingSchedule(options));
    await countingRun({ folder, options, team: team(at), resumePoint }).outcome();
    expect(readMetrics(folder.metrics)).toEqual(readMetrics(whole.metrics));
    const best = (run: RunFolder) => readCheckpoint(join(run.checkpoints, "best.safetensors"));
    expect(best(folder)).toEqual(best(whole));
    expect(readdirSync(folder.checkpoints)).toContain(`step-${String(at).padStart(8, "0")}.safetensors`);
  });

  test("after an epoch's row begins with that epoch's checkpoint, which may be the best", async () => {
    await countingRun({ folder, options: {}, team: team(), stopAfter: 3 }).outcome();
    for (const name of readdirSync(folder.checkpoints)) rmSync(join(folder.checkpoints, name));
    const resumePoint = resumePointAt(folder, 3, countingSchedule({}));
    await countingRun({ folder, options: {}, team: team(3), resumePoint, stopAfter: 3 }).outcome();
    const best = readCheckpoint(join(folder.checkpoints, "best.safetensors"));
    expect([best.step, defined(best.tensors[0]).weight[0]]).toEqual([3, 3]);
  });
});
