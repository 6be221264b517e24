/** Tests the tables of numbers that the dashboard's charts draw. */
import { LiveRun } from "@lockstep/run/live";
import { defined } from "@lockstep/testing";
import { expect, test } from "vitest";
import { accuracyTable, lossTable, smoothed, speedTable, valueAt } from "./curves.ts";

function runOf(steps: number): LiveRun {
  const live = new LiveRun();
  for (let step = 0; step < steps; step++) {
    const share = { name: "a", samples: 3, bytesUp: 0, bytesDown: 0, ms: {}, io: {} };
    const workers = step === 1 ? [share] : [share, { ...share, name: "b", samples: 1 }];
    const sums = { loss: 2, samples: 4, correct: 1, lr: 0.1, ms: { step: 20 } };
    live.apply({ type: "row", row: { type: "step", epoch: 1, step, ...sums, workers } });
  }
  return live;
}

test("a smoothed curve starts at the first value, follows the values, and keeps gaps", () => {
  expect(smoothed([5])).toEqual([5]);
  expect(smoothed([null, 3, null, 3])).toEqual([null, 3, null, 3]);
  const step = smoothed([...Array<number>(50).fill(0), ...Array<number>(50).fill(1)]);
  expect(step[49]).toBe(0);
  expect(step.at(-1)).toBeGreaterThan(0.99);
});

test("the x axis counts completed steps, and constant values stay exact", () => {
  const run = runOf(3).snapshot();
  expect(lossTable(run).map((column) => column.map((value) => Number(value?.toFixed(9))))).toEqual([
    [1, 2, 3],
    ...Array(4).fill([2, 2, 2]),
  ]);
  expect(accuracyTable(run)[2]).toEqual([0.25, 0.25, 0.25]);
});

test("a worker has no speed in a step in which it had no samples", () => {
  const [, all, a, b] = speedTable(runOf(3).snapshot(), ["a", "b"]);
  expect(defined(all).map((value) => Math.round(defined(value)))).toEqual([200, 200, 200]);
  expect(defined(a).map((value) => Math.round(defined(value)))).toEqual([150, 150, 150]);
  expect(defined(b).map((value) => value && Math.round(value))).toEqual([50, null, 50]);
});

test("the curves of 100,000 steps have at most 2,048 points", () => {
  const table = lossTable(runOf(100_000).snapshot());
  expect(table[0].length).toBeLessThanOrEqual(2048);
  expect(table[0].at(-1)).toBe(100_000);
});

test("a curve has the value of its last point until its run ends, and none after that", () => {
  const steps = [1, 2, 3, undefined, undefined];
  const epochs = [undefined, 7, undefined, undefined, undefined];
  expect([0, 1, 2, 3, 4].map((index) => valueAt(steps, steps, index))).toEqual([1, 2, 3, undefined, undefined]);
  expect([0, 1, 2, 3].map((index) => valueAt(epochs, steps, index))).toEqual([undefined, 7, 7, undefined]);
  expect(valueAt(steps, steps, null)).toBeUndefined();
});
