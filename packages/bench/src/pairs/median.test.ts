import { expect, test } from "vitest";
import { median } from "./median.ts";
import { medians } from "./rounds.ts";

test("the median is the middle value, or the mean of the two in the middle, and leaves its input as it was", () => {
  const values = [30, 1, 2];
  expect(median(values)).toBe(2);
  expect(values).toEqual([30, 1, 2]);
  expect(median([4, 1, 3, 100])).toBe(3.5);
  expect(() => median([])).toThrow("use --steps 1 or more");
});

test("a side is its rounds' medians", () => {
  expect(medians([{ stepMs: [5, 1, 9] }, { stepMs: [2] }])).toEqual([5, 2]);
});
