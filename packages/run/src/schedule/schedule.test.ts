/** Tests the schedule of a run: its steps, evaluations and checkpoints in their order. */
import { makeConfig } from "@lockstep/config";
import { defined } from "@lockstep/testing";
import fc from "fast-check";
import { expect, test } from "vitest";
import { makeSchedule, type Task } from "./schedule.ts";

const sizes = { trainSamples: 10, validationSamples: 3, testSamples: 4 };
const brief = (task: Task) =>
  task.type === "step" ? `${task.step}:${task.start}-${task.end}` : task.type === "evaluate" ? task.split : task.type;

test("the schedule of two epochs of ten samples in batches of four is the one written out here", () => {
  const schedule = makeSchedule(makeConfig({ batchSize: 4, numEpochs: 2 }), sizes);
  expect(schedule.stepsPerEpoch).toBe(3);
  expect([...schedule.tasksFrom(0)].map(brief)).toEqual([
    ...["0:0-4", "1:4-8", "2:8-10", "validation", "epoch-end", "checkpoint"],
    ...["3:0-4", "4:4-8", "5:8-10", "validation", "epoch-end", "checkpoint"],
    "test",
  ]);
});

test("a schedule that --max-steps ends inside an epoch has its validation, a checkpoint and the test", () => {
  const schedule = makeSchedule(makeConfig({ batchSize: 4, maxSteps: 2 }), sizes);
  expect([...schedule.tasksFrom(0)].map(brief)).toEqual([
    "0:0-4",
    "1:4-8",
    "validation",
    "epoch-end",
    "checkpoint",
    "test",
  ]);
});

test("a resume that would end before the steps that are done is refused", () => {
  const config = makeConfig({ batchSize: 4, maxSteps: 2 });
  expect(() => makeSchedule(config, sizes, 3)).toThrow("at least the 3 steps that are already done, got 2");
  expect(makeSchedule(config, sizes, 2).steps).toBe(2);
});

test("a schedule may have no validation and no test, and a checkpoint every second step and at the ends of epochs", () => {
  const config = makeConfig({ batchSize: 5, numEpochs: 2, test: false, checkpointEvery: 2 });
  const schedule = makeSchedule(config, { ...sizes, validationSamples: 0 });
  expect([...schedule.tasksFrom(0)].map(brief)).toEqual([
    ...["0:0-5", "1:5-10", "epoch-end", "checkpoint", "2:0-5", "3:5-10", "epoch-end", "checkpoint"],
  ]);
});

test("a run that stopped between an epoch's last step and its validation catches up on it", () => {
  const schedule = makeSchedule(makeConfig({ batchSize: 4, numEpochs: 2 }), sizes);
  expect([...schedule.tasksFrom(3, 0)].map(brief).slice(0, 4)).toEqual([
    "validation",
    "epoch-end",
    "checkpoint",
    "3:0-4",
  ]);
  expect([...schedule.tasksFrom(3, 3)].map(brief)[0]).toBe("3:0-4");
  expect([...schedule.tasksFrom(4, 3)].map(brief)[0]).toBe("4:4-8");
});

const anyRun = fc.record({
  samples: fc.integer({ min: 1, max: 40 }),
  batchSize: fc.integer({ min: 1, max: 12 }),
  epochs: fc.integer({ min: 1, max: 3 }),
});
const scheduleOf = ({ samples, batchSize, epochs }: { samples: number; batchSize: number; epochs: number }) =>
  makeSchedule(makeConfig({ batchSize, numEpochs: epochs }), { ...sizes, trainSamples: samples });

test("the tasks after any step are the last ones of the whole schedule", () => {
  fc.assert(
    fc.property(anyRun, fc.nat(), ({ epochs, samples, batchSize }, done) => {
      const schedule = scheduleOf({ epochs, samples, batchSize });
      const doneSteps = done % schedule.steps;
      const isLater = (task: Task) => (task.type === "step" ? task.step >= doneSteps : task.step > doneSteps);
      expect([...schedule.tasksFrom(doneSteps)]).toEqual([...schedule.tasksFrom(0)].filter(isLater));
    }),
  );
});

test("a schedule has each sample once in each epoch", () => {
  fc.assert(
    fc.property(anyRun, ({ epochs, samples, batchSize }) => {
      const seen = Array.from({ length: epochs }, () => new Array(samples).fill(0));
      for (const task of scheduleOf({ epochs, samples, batchSize }).tasksFrom(0)) {
        if (task.type !== "step") continue;
        for (let i = task.start; i < task.end; i++) defined(seen[task.epoch])[i]++;
      }
      expect(seen.flat().every((times) => times === 1)).toBe(true);
    }),
  );
});
