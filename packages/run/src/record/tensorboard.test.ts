/** Tests TensorBoard's event files of a run. */
import { readdirSync } from "node:fs";
import { hostname } from "node:os";
import { decodeEventFile } from "@lockstep/formats/testing";
import { defined, test } from "@lockstep/testing";
import { expect } from "vitest";
import type { MetricsRow } from "../folder/metrics.ts";
import { startEvents } from "./tensorboard.ts";

const startedAt = new Date(1_700_000_000_500);
const stepRow = (step: number): MetricsRow => {
  return { type: "step", epoch: 1, step, loss: 1.5, samples: 32, correct: 8, lr: 0.25, ms: { step: 250, data: 1 } };
};
const epochRow: MetricsRow = {
  type: "epoch",
  epoch: 1,
  step: 300,
  trainLoss: 2,
  trainAccuracy: 0.5,
  evalLoss: 1,
  evalAccuracy: 0.75,
  samples: 64,
};
const rows: MetricsRow[] = [
  stepRow(1),
  stepRow(300),
  epochRow,
  { type: "test", step: 300, loss: 3, accuracy: 0.125, samples: 8 },
];

test("an event file has the scalars of each row at its step and time", ({ folder }) => {
  const append = startEvents(folder, startedAt);
  for (const row of rows) append(row);
  const scalars = { "train/loss": 1.5, "train/accuracy": 0.25, lr: 0.25, "ms/step": 250, "ms/data": 1 };
  expect(decodeEventFile(folder)).toEqual([
    { wallTime: 1_700_000_000.5, step: 0, fileVersion: "brain.Event:2", scalars: {} },
    { wallTime: 1_700_000_000.75, step: 1, scalars },
    { wallTime: 1_700_000_001, step: 300, scalars },
    {
      wallTime: 1_700_000_001,
      step: 300,
      scalars: { "train/epoch_loss": 2, "train/epoch_accuracy": 0.5, "eval/loss": 1, "eval/accuracy": 0.75 },
    },
    { wallTime: 1_700_000_001, step: 300, scalars: { "test/loss": 3, "test/accuracy": 0.125 } },
  ]);
});

test("the event file of a resumed run replaces the earlier one, so that it has each step once", ({ folder }) => {
  const append = startEvents(folder, startedAt);
  for (const row of rows) append(row);
  startEvents(folder, new Date(1_800_000_000_000), rows.slice(0, 1))(stepRow(2));
  expect(readdirSync(folder)).toEqual([`events.out.tfevents.1800000000.${hostname()}`]);
  expect(decodeEventFile(folder).map(({ step }) => step)).toEqual([0, 1, 2]);
});

test("an event file has no scalars of a validation that did not take place", ({ folder }) => {
  const { evalLoss, evalAccuracy, ...row } = epochRow;
  startEvents(folder, startedAt, [row]);
  expect(Object.keys(defined(decodeEventFile(folder)[1]).scalars)).toEqual([
    "train/epoch_loss",
    "train/epoch_accuracy",
  ]);
});
