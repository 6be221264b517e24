/** Tests the history of steps, which stays small. */
import { defined } from "@lockstep/testing";
import { expect, test } from "vitest";
import { sum } from "../statistics.ts";
import { share, stepRow } from "../testing/step-row.ts";
import { addStep, emptyHistory, MAX_BUCKETS } from "./step-history.ts";

test("the history keeps every step while there is room", () => {
  const history = emptyHistory();
  for (let step = 0; step < MAX_BUCKETS; step++) addStep(history, stepRow(step));
  expect(history.stride).toBe(1);
  expect(defined(history.lossSum[5]) / defined(history.samples[5])).toBe(6);
});

test("the history stays small over 100,000 steps and loses no sample, byte or extreme", () => {
  const history = emptyHistory();
  for (let step = 0; step < 100_000; step++) {
    addStep(history, stepRow(step, { loss: step === 54_321 ? 99 : 1, workers: [share("a", 3), share("b", 1)] }));
  }
  expect(history.first.length).toBeLessThanOrEqual(MAX_BUCKETS);
  expect(sum(history.samples)).toBe(400_000);
  expect(sum(defined(history.workers[0]).samples)).toBe(300_000);
  expect(sum(history.bytesDown)).toBe(40_000_000);
  const spike = history.lossMax.indexOf(99);
  expect(history.first[spike]).toBe(Math.floor(54_321 / history.stride) * history.stride);
  expect(history.first.every((first, i) => first === i * history.stride)).toBe(true);
});

test("a worker that joins later has no samples before in the history", () => {
  const history = emptyHistory();
  addStep(history, stepRow(0, { workers: [share("a", 4)] }));
  addStep(history, stepRow(1, { workers: [share("a", 3), share("b", 1)] }));
  expect(history.workers).toEqual([
    { name: "a", samples: [4, 3] },
    { name: "b", samples: [0, 1] },
  ]);
});
