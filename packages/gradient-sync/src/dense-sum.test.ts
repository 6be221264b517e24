import fc from "fast-check";
import { expect, test } from "vitest";
import { DenseSum } from "./dense-sum.ts";

test("a chunk is summed when all slices are there, in slice order whatever the order of arrival", () => {
  // In float32 (1e8 + 1) − 1e8 is 0 but (1e8 − 1e8) + 1 is 1, so the order shows.
  const chunks = [Float32Array.of(1e8, 1), Float32Array.of(1, 2), Float32Array.of(-1e8, 3)];
  fc.assert(
    fc.property(fc.shuffledSubarray([0, 1, 2], { minLength: 3 }), (order) => {
      const sum = new DenseSum(3);
      const results = order.map((slice) => sum.add(slice, 64, chunks[slice]!.slice()));
      expect(results.slice(0, 2)).toEqual([undefined, undefined]);
      expect(results[2]).toEqual(Float32Array.of(0, 6));
    }),
  );
});

test("chunks at different offsets do not wait for each other", () => {
  const sum = new DenseSum(2);
  expect(sum.add(0, 0, Float32Array.of(1))).toBeUndefined();
  expect(sum.add(1, 1, Float32Array.of(2))).toBeUndefined();
  expect(sum.add(1, 0, Float32Array.of(3))).toEqual(Float32Array.of(4));
  expect(sum.add(0, 1, Float32Array.of(5))).toEqual(Float32Array.of(7));
});
