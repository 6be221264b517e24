/** Proves, for drawn seeds and fractions, that every index is in exactly one of the two splits. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { splitTrain } from "./split.ts";

const seeds = fc.nat(0xffffffff);

test("splitTrain puts every index in exactly one split, round(samples · fraction) of them in the first", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 500 }), fc.integer({ min: 1, max: 100 }), seeds, (samples, percent, seed) => {
      fc.pre(Math.round((samples * percent) / 100) > 0);
      const { train, validation } = splitTrain(samples, percent / 100, seed);
      expect(Math.abs(train.length - (samples * percent) / 100)).toBeLessThanOrEqual(0.5);
      expect([...train, ...validation].sort((a, b) => a - b)).toEqual(Array.from({ length: samples }, (_, i) => i));
      expect(train).toEqual(train.toSorted());
      expect(validation).toEqual(validation.toSorted());
    }),
  );
});

test("splitTrain depends on the seed", () => {
  expect(splitTrain(50_000, 0.8, 5)).toEqual(splitTrain(50_000, 0.8, 5));
  expect(splitTrain(50_000, 0.8, 5)).not.toEqual(splitTrain(50_000, 0.8, 6));
});

test("splitTrain leaves no validation samples at fraction 1", () => {
  expect(splitTrain(4, 1, 0)).toEqual({ train: Uint32Array.of(0, 1, 2, 3), validation: new Uint32Array() });
});

test.each([0, -0.5, 1.5, Number.NaN, 0.01])("splitTrain refuses the fraction %d of 10 samples", (fraction) => {
  expect(() => splitTrain(10, fraction, 0)).toThrow(
    `Expected a train fraction above 0, up to 1, that selects at least one of 10 samples, got ${fraction}.`,
  );
});
