/** Checks means and deviations worked out by hand, and channels that are constant but for one byte. */
import { defined } from "@lockstep/testing";
import { expect, test } from "vitest";
import type { Records } from "../records/records.ts";
import {
  channelStatistics,
  type Normalize,
  normalizeImage,
  normalizeTable,
  parseNormalize,
  resolveNormalize,
} from "./normalize.ts";

/** Two images of 1 × 2 pixels with two channels. */
const tiny: Records = {
  samples: 2,
  height: 1,
  width: 2,
  channels: 2,
  classes: ["only"],
  read(index, out) {
    out.set(index === 0 ? [0, 51, 255, 51] : [255, 51, 0, 255]);
    return 0;
  },
};

test("channelStatistics computes the mean and population std worked out by hand", () => {
  const { mean, std } = channelStatistics(tiny);
  // Channel 0 is 0, 1, 1, 0. Channel 1 is 0.2, 0.2, 0.2, 1: mean 1.6 / 4, variance (3 · 0.2² + 0.6²) / 4 = 0.12.
  expect(mean[0]).toBeCloseTo(0.5, 12);
  expect(std[0]).toBeCloseTo(0.5, 12);
  expect(mean[1]).toBeCloseTo(0.4, 12);
  expect(std[1]).toBeCloseTo(Math.sqrt(0.12), 12);
});

/** 50 images of 3 × 3 with three channels: one of 0, one of 77, and one that varies. */
const images = Array.from({ length: 50 }, (_, index) =>
  Uint8Array.from({ length: 27 }, (_, i) => defined([0, 77, (index * 31 + i * 17) % 256][i % 3])),
);
const records: Records = {
  ...tiny,
  samples: images.length,
  height: 3,
  width: 3,
  channels: 3,
  read(index, out) {
    out.set(defined(images[index]));
    return 0;
  },
};

test("a constant channel has a std of 1, so that it normalises to zeros", () => {
  const { mean, std } = channelStatistics(records);
  expect(std.slice(0, 2)).toEqual([1, 1]);
  expect(std[2]).toBeCloseTo(0.2894694821997967, 12); // numpy.std(images / 255, (0, 1))
  for (const image of images) {
    const input = normalizeImage(image, { mean, std });
    expect(input.filter((_, i) => i % 3 < 2).every((value) => Math.abs(value) < 1e-7)).toBe(true);
    expect(input.every(Number.isFinite)).toBe(true);
  }
});

test("a channel that differs in one byte of CIFAR-10's size is not constant", () => {
  const large = { ...records, samples: 50_000, height: 32, width: 32, channels: 1 };
  const image = new Uint8Array(1024).fill(254);
  const read =
    (odd: boolean): Records["read"] =>
    (index, out) => {
      out.set(image);
      if (odd && index === 7) out[5] = 255;
      return 0;
    };
  expect(channelStatistics({ ...large, read: read(false) }).std).toEqual([1]);
  const [std] = channelStatistics({ ...large, read: read(true) }).std;
  expect(defined(std) / (1 / 255 / Math.sqrt(50_000 * 1024))).toBeCloseTo(1, 2); // one of n is off by 1/255
});

test("resolveNormalize returns a mean and std for each channel", () => {
  const measured = { mean: [0.1, 0.2], std: [0.3, 0.4] };
  const resolve = (normalize: Normalize) => resolveNormalize(normalize, 2, () => measured);
  expect(resolve("half")).toEqual({ mean: [0.5, 0.5], std: [0.5, 0.5] });
  expect(resolve("dataset")).toEqual(measured);
  expect(resolve({ mean: [0, 1], std: [2, 3] })).toEqual({ mean: [0, 1], std: [2, 3] });
});

test("resolveNormalize refuses means and stds for another number of channels", () => {
  expect(() => resolveNormalize({ mean: [0.5], std: [0.5] }, 2, () => channelStatistics(tiny))).toThrow(
    "Expected a mean and a std for each of the 2 channels, got 1",
  );
});

test("normalizeTable contains (byte / 255 − mean) / std", () => {
  const table = normalizeTable({ mean: [0.5, 0.2], std: [0.5, 0.1] });
  expect([table[0], table[255], defined(table[51])]).toEqual([-1, 1, expect.closeTo(-0.6, 6)]);
  expect(table[256 + 51]).toBeCloseTo(0, 6);
  expect(table[256 + 255]).toBeCloseTo(8, 5);
});

test("parseNormalize reads names and numbers", () => {
  expect(parseNormalize("half")).toBe("half");
  expect(parseNormalize("dataset")).toBe("dataset");
  expect(parseNormalize("0.49, 0.48,0.45/0.25,0.24,0.26")).toEqual({
    mean: [0.49, 0.48, 0.45],
    std: [0.25, 0.24, 0.26],
  });
});

test.each([
  ["imagenet", "it has no means and stds separated by one /"],
  ["0.5/0.5/0.5", "it has no means and stds separated by one /"],
  ["0.5,x/0.5,0.5", "it has a value that is not a number"],
  ["0.5,/0.5,0.5", "it has a value that is not a number"],
  ["0.5,0.5/0.5", "it has 2 means and 1 stds"],
  ["0.5/0", "a std is not above 0"],
  ["0.5/1e-50", "float32 cannot hold (byte / 255 − mean) / std"],
  ["1e300/0.5", "float32 cannot hold (byte / 255 − mean) / std"],
  ["0.5/1e-39", "float32 cannot hold (byte / 255 − mean) / std"],
])("parseNormalize refuses %s: %s", (text, reason) => {
  expect(() => parseNormalize(text)).toThrow(`got "${text}": ${reason}.`);
});

test("normalizeImage looks up each byte in its channel's table", () => {
  const meanStd = { mean: [0, 0.5], std: [1, 0.25] };
  expect([...normalizeImage(Uint8Array.of(255, 255, 0, 0), meanStd)]).toEqual([1, 2, 0, -2]);
});
