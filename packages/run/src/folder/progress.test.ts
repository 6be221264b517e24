/** Tests that the progress worked out from the rows of the metrics equals the progress that a run saves. */

import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { defined } from "@lockstep/testing";
import { expect } from "vitest";
import { CountingTeam, countingSchedule } from "../testing/counting-team.ts";
import { RecordedRun, test } from "../testing/recorded-run.ts";
import { readCheckpoint } from "./checkpoint.ts";
import { type MetricsRow, readMetrics } from "./metrics.ts";
import { progressAt } from "./progress.ts";
import { resumePointAt } from "./resume-point.ts";

/** A team with losses whose sums depend on the order and the rounding. */
function team(updates = 0): CountingTeam {
  const counting = new CountingTeam(updates);
  counting.lossAt = (step) => Math.sqrt(step + 2);
  return counting;
}

// Epochs end after 3, 6 and 9 updates; the second validation is the best. A stop comes before the validation.
test.for([0, 1, 2, 3, 4, 5, 6, 7, 8])(
  "the progress from the rows is the saved one if a run stopped after step %d",
  async (stopAfter, { run }) => {
    const options = { numEpochs: 3 };
    await run.train(options, { team: team(), stopAfter });
    const last = defined(run.checkpoints.findLast((name) => name.startsWith("step-")));
    const { progress } = readCheckpoint(join(run.folder.checkpoints, last));
    const step = stopAfter + 1;
    expect(progress.endedSteps).toBe(stopAfter - (stopAfter % 3)); // the current epoch has not ended
    expect(resumePointAt(run.folder, step, countingSchedule(options))).toEqual({ step, progress });
  },
);

test.for([
  ["an epoch", {}, 6],
  ["an epoch that --max-steps cut short", { maxSteps: 4 }, 4],
  ["an epoch that --max-steps ended", { maxSteps: 3 }, 3],
] as const)(
  "the progress from the rows is the saved one if the last row is of %s",
  async ([, options, step], { run }) => {
    await run.train(options, { team: team() });
    const { progress } = readCheckpoint(run.checkpoint(step));
    expect(progress.endedSteps).toBe(step);
    expect(resumePointAt(run.folder, step, countingSchedule(options)).progress).toEqual(progress);
  },
);

test("the progress from the rows forgets the end of an epoch cut short once the run has passed it", async ({ run }) => {
  await run.train({ maxSteps: 4 }, { team: team() });
  await run.resume({}, { team: team(4), stopAfter: 4 });
  const { progress } = readCheckpoint(run.checkpoint(5));
  // The row of the cut epoch is gone, and with it the fact that the epoch was ended; what remains to do is the same.
  expect(progress.endedSteps).toBe(4);
  expect(resumePointAt(run.folder, 5, countingSchedule({})).progress).toEqual({ ...progress, endedSteps: 3 });
});

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
])("the progress from the rows after %d updates equals the sums worked by hand", (at, progress) => {
  expect(progressAt(rows, at, epochs, undefined)).toEqual(progress);
});

const third = { step: 3, accuracy: 0.5 };

test.each([
  ["that of the step itself, whose state is known", 3, undefined, third],
  ["the saved one", 4, third, third],
  ["unknown if its state is lost", 4, undefined, undefined],
  ["a new one that is better than the saved one", 6, third, { step: 6, accuracy: 0.7 }],
  ["the saved one if it is better than a new one", 6, { step: 3, accuracy: 0.8 }, { step: 3, accuracy: 0.8 }],
])("the best validation in the progress from the rows is %s", (_, at, saved, best) => {
  expect(progressAt(rows, at, epochs, saved).best).toEqual(best);
});

test.each([
  ["is missing in the middle", [step(0), step(2)], 1],
  ["is missing at the end", [step(0), step(1)], 2],
  ["stands in the place of another", [step(0), step(0), step(2)], 1],
])("the progress from the rows is refused if a row %s", (_, some, missing) => {
  expect(() => progressAt(some, 3, epochs, undefined)).toThrow(
    `Expected metrics.jsonl to hold steps 0 to 2 in order, but step ${missing} is missing or out of order. Continue from the last`,
  );
});

test.for([1, 2, 3, 4, 5])(
  "a run that continues after %d updates, which only its workers hold, writes the record of an uninterrupted run",
  async (at, { run, folder }) => {
    const options = { numEpochs: 3, keep: 9 };
    const whole = new RecordedRun(join(folder, "whole"));
    await whole.train(options, { team: team() });
    await run.train(options, { team: team(), stopAfter: at });
    // The step's checkpoint is missing; there is a row of the step after it, whose commit was not sent.
    rmSync(run.checkpoint(at + 1));
    const resumePoint = resumePointAt(run.folder, at, countingSchedule(options));
    await run.train(options, { team: team(at), resumePoint });
    expect(readMetrics(run.folder.metrics)).toEqual(readMetrics(whole.folder.metrics));
    expect(readCheckpoint(run.best)).toEqual(readCheckpoint(whole.best));
    expect(run.checkpoints).toContain(`step-${String(at).padStart(8, "0")}.safetensors`);
  },
);

test("a run that continues after an epoch's row first writes that epoch's checkpoint, which may be the best", async ({
  run,
}) => {
  await run.train({}, { team: team(), stopAfter: 3 });
  for (const name of readdirSync(run.folder.checkpoints)) rmSync(join(run.folder.checkpoints, name));
  const resumePoint = resumePointAt(run.folder, 3, countingSchedule({}));
  await run.train({}, { team: team(3), resumePoint, stopAfter: 3 });
  expect(readCheckpoint(run.best)).toMatchObject({ step: 3, tensors: [{ weight: Float32Array.of(3) }] });
});
