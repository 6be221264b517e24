/** Tests sums, means and medians. */
import { expect, test } from "vitest";
import { mean, median, sum } from "./statistics.ts";

test("the sum of no numbers is 0", () => {
  expect(sum([1, 2, 4])).toBe(7);
  expect(sum([])).toBe(0);
});

test("the mean of no numbers is NaN", () => {
  expect(mean([1, 2, 6])).toBe(3);
  expect(mean([])).toBeNaN();
});

test("the median is the middle value, or the mean of the two in the middle", () => {
  expect(median([5, 1, 9])).toBe(5);
  expect(median([4, 1, 3, 100])).toBe(3.5);
  expect(median([2])).toBe(2);
  expect(median([])).toBeNaN();
});

test("the median leaves the numbers in their order", () => {
  const values = [3, 1, 2];
  median(values);
  expect(values).toEqual([3, 1, 2]);
});
