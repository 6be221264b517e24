import { makeConfig } from "@lockstep/config";
import { defined } from "@lockstep/testing";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { makeSchedule, type Task } from "./schedule.ts";

const sizes = { trainSamples: 10, validationSamples: 3, testSamples: 4 };
const brief = (task: Task) =>
  task.type === "step" ? `${task.step}:${task.start}-${task.end}` : task.type === "evaluate" ? task.split : task.type;

describe("makeSchedule", () => {
  test("two epochs of ten samples in batches of four, written out", () => {
    const schedule = makeSchedule(makeConfig({ batchSize: 4, numEpochs: 2 }), sizes);
    expect(schedule.stepsPerEpoch).toBe(3);
    expect([...schedule.tasksFrom(0)].map(brief)).toEqual([
      ...["0:0-4", "1:4-8", "2:8-10", "validation", "epoch-end", "checkpoint"],
      ...["3:0-4", "4:4-8", "5:8-10", "validation", "epoch-end", "checkpoint"],
      "test",
    ]);
  });

  test("--max-steps ends inside an epoch with its validation, a checkpoint and the test", () => {
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

  test("no validation part, no test, a checkpoint every second step and at the ends of epochs", () => {
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

  test("what remains after any step is the end of the whole, and each sample stands once in each epoch", () => {
    fc.assert(
      fc.property(
        fc.record({
          samples: fc.integer({ min: 1, max: 40 }),
          batchSize: fc.integer({ min: 1, max: 12 }),
          epochs: fc.integer({ min: 1, max: 3 }),
        }),
        fc.nat(),
        ({ samples, batchSize, epochs }, done) => {
          const schedule = makeSchedule(makeConfig({ batchSize, numEpochs: epochs }), {
            ...sizes,
            trainSamples: samples,
          });
          const all = [...schedule.tasksFrom(0)];
          const seen = Array.from({ length: epochs }, () => new Array(samples).fill(0));
          for (const task of all) {
            if (task.type !== "step") continue;
            for (let i = task.start; i < task.end; i++) defined(seen[task.epoch])[i]++;
          }
          expect(seen.flat().every((times) => times === 1)).toBe(true);
          const doneSteps = done % (schedule.steps + 1);
          const rest = [...schedule.tasksFrom(doneSteps)];
          const isLater = (task: Task) => (task.type === "step" ? task.step >= doneSteps : task.step > doneSteps);
          if (doneSteps < schedule.steps) expect(rest).toEqual(all.filter(isLater));
        },
      ),
    );
  });
});
