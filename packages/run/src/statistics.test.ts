import { describe, expect, test } from "vitest";
import { mean, median, sum } from "./statistics.ts";

describe("numbers", () => {
  test("have a sum, which is 0 for none", () => {
    expect(sum([1, 2, 4])).toBe(7);
    expect(sum([])).toBe(0);
  });

  test("have a mean, which is none for none", () => {
    expect(mean([1, 2, 6])).toBe(3);
    expect(mean([])).toBeNaN();
  });

  test("have the middle value as their median, or the mean of the two in the middle", () => {
    expect(median([5, 1, 9])).toBe(5);
    expect(median([4, 1, 3, 100])).toBe(3.5);
    expect(median([2])).toBe(2);
    expect(median([])).toBeNaN();
  });

  test("stay in their order when their median is taken", () => {
    const values = [3, 1, 2];
    median(values);
    expect(values).toEqual([3, 1, 2]);
  });
});
