/** Tests the learning rate of each step. */
import { expect, test } from "vitest";
import { learningRateAt } from "./learning-rate.ts";

const base = { lr: 0.1, lrSchedule: "constant" as const, warmupEpochs: 0, numEpochs: 10 };
const at = (
  step: number,
  more: Partial<Omit<typeof base, "lrSchedule">> & { lrSchedule?: "constant" | "step" | "cosine" } = {},
) => learningRateAt({ ...base, ...more }, step, 10);

test("a constant learning rate stays the same", () => expect([at(0), at(99)]).toEqual([0.1, 0.1]));

test("a warm-up rises linearly and reaches the full rate with its last step", () => {
  expect(at(0, { warmupEpochs: 2 })).toBeCloseTo(0.005, 12);
  expect(at(9, { warmupEpochs: 2 })).toBeCloseTo(0.05, 12);
  expect(at(19, { warmupEpochs: 2 })).toBeCloseTo(0.1, 12);
  expect(at(20, { warmupEpochs: 2 })).toBe(0.1);
});

test("the step schedule divides the rate by ten at half and again at three quarters of the run", () => {
  const rates = [49, 50, 74, 75].map((step) => at(step, { lrSchedule: "step" }));
  for (const [index, expected] of [0.1, 0.01, 0.01, 0.001].entries()) expect(rates[index]).toBeCloseTo(expected, 12);
});

test("the cosine schedule falls from the full rate through half of it towards 0", () => {
  expect(at(0, { lrSchedule: "cosine" })).toBe(0.1);
  expect(at(50, { lrSchedule: "cosine" })).toBeCloseTo(0.05, 12);
  expect(at(25, { lrSchedule: "cosine" })).toBeCloseTo(0.1 * Math.cos(Math.PI / 8) ** 2, 12);
  expect(at(99, { lrSchedule: "cosine" })).toBeLessThan(0.0001);
});
