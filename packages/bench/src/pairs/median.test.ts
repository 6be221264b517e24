/** Checks medians worked out by hand, of odd and even numbers of values and of none. */
import { expect, test } from "vitest";
import { median } from "./median.ts";
import { medians } from "./rounds.ts";

test("the median is the middle value or the mean of the two middle values, and does not change its input", () => {
  const values = [30, 1, 2];
  expect(median(values)).toBe(2);
  expect(values).toEqual([30, 1, 2]);
  expect(median([4, 1, 3, 100])).toBe(3.5);
  expect(() => median([])).toThrow("Use --steps 1 or more");
});

test("the medians of a side are those of its rounds", () => {
  expect(medians([{ stepMs: [5, 1, 9] }, { stepMs: [2] }])).toEqual([5, 2]);
});
