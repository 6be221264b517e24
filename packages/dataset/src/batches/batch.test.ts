/** Checks batches of images with two pixels, whose values are worked out by hand. */
import { expect, test } from "vitest";
import type { Records } from "../records/records.ts";
import { type BatchOptions, makeBatch } from "./batch.ts";

/** Image i is one pixel high and two wide, its two channels i, i + 1 and i + 2, i + 3; its label is i. */
const tiny: Records = {
  samples: 5,
  height: 1,
  width: 2,
  channels: 2,
  classes: ["0", "1", "2", "3", "4"],
  read(index, out) {
    out.set([index, index + 1, index + 2, index + 3]);
    return index;
  },
};
const plain: BatchOptions = {
  records: tiny,
  order: Uint32Array.of(4, 2, 0, 1, 3),
  start: 1,
  end: 3,
  epoch: 0,
  seed: 0,
  normalize: { mean: [0, 1 / 255], std: [1 / 255, 2 / 255] },
  augment: "none",
  height: 1,
  width: 2,
};

test("makeBatch returns the normalised samples of its range of the order", () => {
  const batch = makeBatch(plain);
  expect(batch.sampleIds).toEqual(Uint32Array.of(2, 0));
  expect(batch.labels).toEqual(Int32Array.of(2, 0));
  expect(batch).toMatchObject({ samples: 2, height: 1, width: 2, channels: 2 });
  // Sample 2 is 2, 3, 4, 5; channel 0 stays, channel 1 becomes (v − 1) / 2. Then sample 0: 0, 1, 2, 3.
  const expected = [2, 1, 4, 2, 0, 0, 2, 1];
  for (const [i, value] of expected.entries()) expect(batch.images[i]).toBeCloseTo(value, 4);
});

test("makeBatch resizes images to the model's input", () => {
  const batch = makeBatch({ ...plain, end: 2, height: 2, width: 1 });
  // The means of the channels are 3 and 4, and (4 − 1) / 2 = 1.5.
  expect([...batch.images].map((value) => Math.round(value))).toEqual([3, 2, 3, 2]);
});

test("makeBatch augments a sample equally in every batch of an epoch, and differently in other epochs", () => {
  const order = Uint32Array.from({ length: 200 }, (_, i) => i);
  const image = (index: number) => Uint8Array.from({ length: 32 * 32 }, (_, i) => (i * 7 + index) % 251);
  const read = (index: number, out: Uint8Array) => {
    out.set(image(index));
    return 0;
  };
  const records: Records = { samples: 200, height: 32, width: 32, channels: 1, classes: ["0"], read };
  const options = { ...plain, records, order, normalize: { mean: [0.5], std: [0.5] }, height: 32, width: 32 };
  const imageOf = (start: number, epoch: number) =>
    makeBatch({ ...options, augment: "flip-crop", start, end: 150, epoch }).images.subarray(-1024);
  expect(imageOf(0, 3)).toEqual(imageOf(149, 3));
  expect(imageOf(149, 4)).not.toEqual(imageOf(149, 3));
  expect(makeBatch({ ...options, start: 149, end: 150 }).images).not.toEqual(imageOf(149, 3));
});
