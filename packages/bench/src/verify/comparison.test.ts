/** Checks the verdict on two trainings whose losses and weights differ by known amounts, −0 included. */
import { expect, test } from "vitest";
import { compareRuns, lossTable, verdictOf } from "./comparison.ts";

const run = (losses: number[], ...weights: number[]) => ({
  losses,
  weights: new Map([["fc.weight", { data: Float32Array.from(weights) }]]),
});

test("runs with equal bits are verified, and equal losses are shown as equal", () => {
  const [one, several] = [run([2, 1.5], 3, 4), run([2, 1.5], 3, 4)];
  const comparison = compareRuns(one, several);
  expect(comparison).toEqual({ unequal: 0, distance: 0, lossesFit: true });
  expect(verdictOf(comparison, false)).toBe("verified: all weights are equal, bit for bit");
  expect(lossTable(one, several, 3).split("\n")).toEqual([
    "step        1 worker       3 workers  difference",
    "   0     2.000000000     2.000000000  equal",
    "   1     1.500000000     1.500000000  equal",
  ]);
});

test("with fixed slices all weights must have equal bits, which 0 and -0 have not", () => {
  const comparison = compareRuns(run([1], 3, 0), run([1], 3, -0));
  expect(comparison).toEqual({ unequal: 1, distance: 0, lossesFit: true });
  expect(() => verdictOf(comparison, false)).toThrow("1 weights differ, relative L2 distance 0.0e+0. Please report");
  expect(verdictOf(comparison, true)).toBe("verified within 0.0001: 1 weights differ, relative L2 distance 0.0e+0");
});

test("the distance of the weights is relative to the norm of one worker's weights", () => {
  expect(compareRuns(run([], 3, 4), run([], 3, 4.5)).distance).toBeCloseTo(0.1, 7);
});

test.each([
  ["weights further apart than 1e-4", run([1], 3, 4), run([1], 3, 4.001)],
  ["a loss that differs by more than 1e-4", run([0.5], 3), run([0.5002], 3)],
  ["a loss that is missing", run([1, 1], 3), run([1], 3)],
  ["a loss that is undefined", run([1], 3), run([Number.NaN], 3)],
  ["weights that are missing", run([1], 3, 4), run([1], 3)],
])("Free slices do not allow %s", (_, one, several) => {
  expect(() => verdictOf(compareRuns(one, several), true)).toThrow(expect.objectContaining({ code: "ERR_VERIFY" }));
});

test("a large loss may differ by a relative 1e-4", () => {
  expect(compareRuns(run([100], 3), run([100.009], 3)).lossesFit).toBe(true);
  expect(compareRuns(run([100], 3), run([100.011], 3)).lossesFit).toBe(false);
});
