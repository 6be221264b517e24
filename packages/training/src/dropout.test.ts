/** Checks the rate and mean of masks, and that a sample's mask does not depend on its slice. */
import { expect, test } from "vitest";
import { dropoutMask } from "./dropout.ts";

const draw = (sampleIds: number[], step = 0) => ({ seed: 5, step, sampleIds: Uint32Array.from(sampleIds) });

test("about the given fraction is dropped, and the rest is scaled so that the mean is 1", () => {
  const mask = dropoutMask(draw([0, 1, 2, 3]), 0, 0.25, 10_000);
  expect([...new Set(mask)].sort()).toEqual([0, Math.fround(1 / 0.75)]);
  expect(mask.filter((factor) => factor === 0).length / mask.length).toBeCloseTo(0.25, 1);
  expect(mask.reduce((sum, factor) => sum + factor, 0) / mask.length).toBeCloseTo(1, 1);
});

test("a rate of 1 drops everything", () => {
  expect([...new Set(dropoutMask(draw([0, 1]), 0, 1, 100))]).toEqual([0]);
});

test("a sample's mask does not depend on the other samples", () => {
  const together = dropoutMask(draw([7, 8, 9]), 1, 0.5, 64);
  expect(dropoutMask(draw([8]), 1, 0.5, 64)).toEqual(together.slice(64, 128));
});

test("another sample, step or layer has another mask", () => {
  const rows = [
    dropoutMask(draw([7]), 0, 0.5, 64),
    dropoutMask(draw([8]), 0, 0.5, 64),
    dropoutMask(draw([7], 1), 0, 0.5, 64),
    dropoutMask(draw([7]), 1, 0.5, 64),
  ];
  expect(new Set(rows.map((row) => row.join())).size).toBe(4);
});
