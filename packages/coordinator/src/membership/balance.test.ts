/** Checks the shares of workers with known speeds, worked out by hand. */
import { expect, test } from "vitest";
import { smoothed, weightsOf } from "./balance.ts";

test("shares follow the measured speeds, but for differences of 15 % that may be noise", () => {
  expect(weightsOf([2, 8], "speed")).toEqual([2, 8]);
  expect(weightsOf([100, 114], "speed")).toEqual([1, 1]);
  expect(weightsOf([100, 116], "speed")).toEqual([100, 116]);
  expect(weightsOf([2, 8], "even")).toEqual([1, 1]);
});

test("a worker that was not measured yet counts as the slowest", () => {
  expect(weightsOf([undefined, 9, 3], "speed")).toEqual([3, 9, 3]);
  expect(weightsOf([undefined, undefined], "speed")).toEqual([1, 1]);
});

test("a measurement moves the speed by three tenths of its difference", () => {
  expect(smoothed(undefined, 4)).toBe(4);
  expect(smoothed(10, 20)).toBeCloseTo(13, 12);
});
