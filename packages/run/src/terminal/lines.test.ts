/** Tests the lines that a run prints about epochs and the test. */
import { expect, test } from "vitest";
import type { EpochRow } from "../folder/metrics.ts";
import { epochLine, stoppedLine, testLine } from "./lines.ts";

const row: EpochRow = {
  type: "epoch",
  epoch: 1,
  step: 1250,
  trainLoss: 1.94567,
  trainAccuracy: 0.258,
  samples: 40_000,
};

test("an epoch's line has columns for training and validation", () => {
  expect(epochLine({ ...row, evalLoss: 1.634, evalAccuracy: 0.409 })).toBe(
    "[Epoch   1] train_loss: 1.946 train_acc: 25.800% eval_loss: 1.634 eval_acc: 40.900%",
  );
});

test("the line of an epoch without validation has no eval columns", () => {
  expect(epochLine({ ...row, epoch: 120 })).toBe("[Epoch 120] train_loss: 1.946 train_acc: 25.800%");
});

test("the test's line has the same columns", () => {
  expect(testLine({ loss: 1.2341, accuracy: 0.701234 })).toBe("[Test ] loss: 1.234 acc: 70.123%");
});

const command = "pnpm train --resume runs/a";

test.each([
  [1, true, "stopped after 1 step"],
  [7, true, "stopped after 7 steps"],
  [150, true, "stopped before the test: all steps (150) are done"],
  [150, false, "stopped before the last validation: all steps (150) are done"],
])("a run that is stopped says what is done: %i steps, test %s", (steps, isTested, how) => {
  expect(stoppedLine({ steps, allSteps: 150, test: isTested }, command)).toBe(`${how}; continue with: ${command}`);
});
