/** Proves, for drawn lists of indexes and seeds, that an epoch visits every sample once. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { epochOrder, stepsPerEpoch } from "./order.ts";

const indexLists = fc.uniqueArray(fc.nat(10_000)).map((indices) => Uint32Array.from(indices));

test("epochOrder visits every index once", () => {
  fc.assert(
    fc.property(indexLists, fc.nat(0xffffffff), fc.nat(1000), (indices, seed, epoch) => {
      expect(epochOrder(indices, seed, epoch, { shuffle: true }).sort()).toEqual(indices.toSorted());
    }),
  );
});

test("epochOrder depends on seed and epoch only", () => {
  const indices = Uint32Array.from({ length: 100 }, (_, i) => 3 * i);
  const order = (seed: number, epoch: number) => epochOrder(indices, seed, epoch, { shuffle: true }).join();
  expect(order(1, 2)).toBe(order(1, 2));
  expect(new Set([order(1, 2), order(1, 3), order(2, 2), order(2, 1)]).size).toBe(4);
});

test("epochOrder keeps the order without shuffling", () => {
  expect(epochOrder(Uint32Array.of(5, 1, 9), 1, 2, { shuffle: false })).toEqual(Uint32Array.of(5, 1, 9));
});

test.each([
  [64, 32, 2],
  [65, 32, 3],
  [5, 32, 1],
])("%d samples in batches of %d take %d steps", (samples, batchSize, steps) => {
  expect(stepsPerEpoch(samples, batchSize)).toBe(steps);
});
