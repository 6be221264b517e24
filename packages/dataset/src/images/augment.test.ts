/** Checks flips and crops of an image of six bytes by hand, and the distribution of their draws. */
import { defined } from "@lockstep/testing";
import { expect, test } from "vitest";
import { applyFlipCrop, drawFlipCrop } from "./augment.ts";

const image = Uint8Array.of(1, 2, 3, 4, 5, 6);

function apply(flip: boolean, down: number, right: number): number[] {
  const out = new Uint8Array(6).fill(99);
  applyFlipCrop(image, [2, 3, 1], { flip, down, right }, out);
  return [...out];
}

test("applyFlipCrop mirrors, then shifts, and fills with black", () => {
  expect(apply(false, 0, 0)).toEqual([1, 2, 3, 4, 5, 6]);
  expect(apply(true, 0, 0)).toEqual([3, 2, 1, 6, 5, 4]);
  expect(apply(false, 1, 0)).toEqual([0, 0, 0, 1, 2, 3]);
  expect(apply(false, 0, -2)).toEqual([3, 0, 0, 6, 0, 0]);
  expect(apply(true, -1, 1)).toEqual([0, 6, 5, 0, 0, 0]);
  expect(apply(false, 4, -4)).toEqual([0, 0, 0, 0, 0, 0]);
});

test("applyFlipCrop keeps the channels of a pixel together", () => {
  const out = new Uint8Array(6);
  applyFlipCrop(image, [1, 2, 3], { flip: true, down: 0, right: 0 }, out);
  expect([...out]).toEqual([4, 5, 6, 1, 2, 3]);
});

test("drawFlipCrop depends on seed, epoch and sample only", () => {
  const texts = [
    [1, 2, 3],
    [1, 2, 3],
    [2, 2, 3],
    [1, 3, 3],
    [1, 2, 4],
  ].map(([seed, epoch, sampleId]) => JSON.stringify(drawFlipCrop(defined(seed), defined(epoch), defined(sampleId))));
  expect(texts[0]).toBe(texts[1]);
  expect(new Set(texts).size).toBe(4);
});

test("drawFlipCrop flips half of the samples and shifts uniformly by −4 to 4 pixels", () => {
  const draws = Array.from({ length: 9000 }, (_, sampleId) => drawFlipCrop(0, 0, sampleId));
  expect(draws.filter(({ flip }) => flip).length / 9000).toBeCloseTo(0.5, 1);
  for (let pixels = -4; pixels <= 4; pixels++) {
    expect(draws.filter(({ down }) => down === pixels).length / 1000).toBeCloseTo(1, 0);
    expect(draws.filter(({ right }) => right === pixels).length / 1000).toBeCloseTo(1, 0);
  }
});
