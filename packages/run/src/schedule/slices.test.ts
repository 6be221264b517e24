/** Tests how the samples of a step are divided into slices. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { planSlices } from "./slices.ts";

test("32 samples are divided over three workers as written out here", () => {
  expect(planSlices(64, 96, 3)).toEqual([
    { slice: 0, worker: 0, start: 64, end: 74 },
    { slice: 1, worker: 1, start: 74, end: 85 },
    { slice: 2, worker: 2, start: 85, end: 96 },
  ]);
});

test("10 samples are divided by weights of 1, 3 and 0 as written out here", () => {
  expect(planSlices(0, 10, [1, 3, 0])).toEqual([
    { slice: 0, worker: 0, start: 0, end: 2 },
    { slice: 1, worker: 1, start: 2, end: 10 },
  ]);
});

test("weights that are not whole numbers leave no sample out", () => {
  const weight = fc.double({ min: 1e-3, max: 100, noNaN: true });
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 300 }),
      fc.array(weight, { minLength: 1, maxLength: 9 }),
      (samples, weights) => {
        const slices = planSlices(0, samples, weights);
        expect(slices.flatMap(({ start, end }) => Array.from({ length: end - start }, (_, i) => start + i))).toEqual(
          Array.from({ length: samples }, (_, i) => i),
        );
      },
    ),
    { numRuns: 2000 },
  );
});

test("slices of fixed rows are the same for any number of workers", () => {
  const ranges = (workers: number) =>
    planSlices(0, 70, workers, 16).map(({ slice, start, end }) => [slice, start, end]);
  expect(ranges(1)).toEqual([
    [0, 0, 16],
    [1, 16, 32],
    [2, 32, 48],
    [3, 48, 64],
    [4, 64, 70],
  ]);
  for (const workers of [2, 3, 5, 9]) expect(ranges(workers)).toEqual(ranges(1));
});

test("slices cover each sample once in order, and the slices of a worker are adjacent", () => {
  const whole = fc.integer({ min: 1, max: 200 });
  fc.assert(
    fc.property(
      fc.nat(500),
      whole,
      fc.integer({ min: 1, max: 9 }),
      fc.option(whole, { nil: undefined }),
      (start, samples, workers, rows) => {
        const slices = planSlices(start, start + samples, workers, rows);
        expect(slices.map(({ slice }) => slice)).toEqual(slices.map((_, index) => index));
        expect(slices.flatMap(({ start, end }) => Array.from({ length: end - start }, (_, i) => start + i))).toEqual(
          Array.from({ length: samples }, (_, i) => start + i),
        );
        const order = slices.map(({ worker }) => worker);
        expect(order).toEqual([...order].sort((a, b) => a - b));
        expect(order.every((worker) => worker < workers)).toBe(true);
      },
    ),
  );
});
