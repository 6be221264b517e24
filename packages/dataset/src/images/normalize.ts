/** Normalises bytes to the model's input: (byte / 255 − mean) / std for each channel. */
import { at, LockstepError } from "@lockstep/errors";
import type { Records } from "../records/records.ts";

/** The mean and standard deviation of each channel, on a scale from 0 to 1. */
export interface MeanStd {
  mean: number[];
  std: number[];
}

/** The normalisation. `half`: mean and std 0.5, so values from −1 to 1. `dataset`: measured on all training images. */
export type Normalize = "half" | "dataset" | MeanStd;

/**
 * Parses the text form: `half`, `dataset`, or means and stds such as `0.49,0.48,0.45/0.25,0.24,0.26`.
 *
 * @throws LockstepError ERR_NORMALIZE that says what is wrong with the text
 */
export function parseNormalize(text: string): Normalize {
  if (text === "half" || text === "dataset") return text;
  const lists = text.split("/").map((list) => list.split(",").map(numberOf));
  const [mean, std] = lists;
  if (lists.length !== 2 || !mean || !std) throw normalizeError(text, "it has no means and stds separated by one /");
  if ([...mean, ...std].some((value) => !Number.isFinite(value)))
    throw normalizeError(text, "it has a value that is not a number");
  if (mean.length !== std.length) throw normalizeError(text, `it has ${mean.length} means and ${std.length} stds`);
  if (std.some((value) => value <= 0)) throw normalizeError(text, "a std is not above 0");
  if (!normalizeTable({ mean, std }).every(Number.isFinite)) {
    throw normalizeError(text, "float32 cannot hold (byte / 255 − mean) / std");
  }
  return { mean, std };
}

/**
 * Checks, without any data, that a text form suits images with `channels` channels.
 *
 * @throws LockstepError ERR_NORMALIZE
 */
export function assertNormalizeOption(text: string, channels: number): void {
  resolveNormalize(parseNormalize(text), channels, () => ({ mean: [], std: [] }));
}

/**
 * Returns the mean and std of each channel.
 *
 * @param measure measures all training images; called for `dataset` only
 * @throws LockstepError ERR_NORMALIZE if the normalisation has another number of channels
 */
export function resolveNormalize(normalize: Normalize, channels: number, measure: () => MeanStd): MeanStd {
  if (normalize === "half") return { mean: Array(channels).fill(0.5), std: Array(channels).fill(0.5) };
  if (normalize === "dataset") return measure();
  if (normalize.mean.length !== channels) {
    throw new LockstepError(
      "ERR_NORMALIZE",
      `Expected a mean and a std for each of the ${channels} channels, got ${normalize.mean.length}; change it, or use half or dataset.`,
    );
  }
  return normalize;
}

/** Computes the mean and population standard deviation of each channel over all images. */
export function channelStatistics(records: Records): MeanStd {
  const { samples, height, width, channels } = records;
  const sums = channelSums(channels);
  const image = new Uint8Array(height * width * channels);
  for (let index = 0; index < samples; index++) {
    records.read(index, image);
    sums.add(image);
  }
  return sums.meanStd();
}

/** Accumulates the statistics of each channel over many images. */
export interface ChannelSums {
  /** @param image [height, width, channels] bytes */
  add(image: Uint8Array): void;
  /**
   * Returns the mean and population standard deviation of each channel over the images added. A constant channel has a
   * deviation of 1 here, so that it normalises to zeros instead of a division by 0.
   */
  meanStd(): MeanStd;
}

/** Sums bytes and their squares. The sums are exact below 2 ** 53, so the order of the images does not matter. */
export function channelSums(channels: number): ChannelSums {
  const sums = new Float64Array(channels);
  const squares = new Float64Array(channels);
  let pixels = 0;
  return {
    add(image) {
      for (let channel = 0; channel < channels; channel++) {
        let sum = 0;
        let square = 0;
        for (let i = channel; i < image.length; i += channels) {
          const byte = image[i] ?? 0; // always inside the image
          sum += byte;
          square += byte * byte;
        }
        sums[channel] = at(sums, channel) + sum;
        squares[channel] = at(squares, channel) + square;
      }
      pixels += image.length / channels;
    },
    meanStd() {
      const mean = Array.from(sums, (sum) => sum / pixels / 255);
      const std = Array.from(squares, (square, channel) => {
        if (isConstant(pixels, at(sums, channel), square)) return 1;
        return Math.sqrt(square / pixels / 255 ** 2 - at(mean, channel) ** 2);
      });
      return { mean, std };
    },
  };
}

/** Returns whether n integers with these sums are all equal: n·Σx² = (Σx)², in exact arithmetic. */
function isConstant(n: number, sum: number, squares: number): boolean {
  return BigInt(n) * BigInt(squares) === BigInt(sum) ** 2n;
}

/**
 * Returns the normalised value of each byte, [channels × 256]. Each operation rounds to float32, so the bits equal
 * those of PyTorch's ToTensor and Normalize.
 */
export function normalizeTable({ mean, std }: MeanStd): Float32Array {
  const { fround } = Math;
  return Float32Array.from({ length: mean.length * 256 }, (_, i) => {
    const channel = i >> 8;
    return fround(fround((i & 255) / 255) - fround(at(mean, channel))) / fround(at(std, channel));
  });
}

/** Normalises one image of [height, width, channels] bytes. */
export function normalizeImage(image: Uint8Array, meanStd: MeanStd): Float32Array<ArrayBuffer> {
  const table = normalizeTable(meanStd);
  const channels = meanStd.mean.length;
  return Float32Array.from(image, (byte, i) => at(table, (i % channels) * 256 + byte));
}

const numberOf = (text: string) => (text.trim() === "" ? Number.NaN : Number(text));

function normalizeError(text: string, reason: string): LockstepError {
  return new LockstepError(
    "ERR_NORMALIZE",
    `Expected --normalize to be half, dataset, or means/stds such as 0.49,0.48,0.45/0.25,0.24,0.26, got "${text}": ${reason}.`,
  );
}
