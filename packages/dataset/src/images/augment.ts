/** Augments training images: a pure function of the seed, the epoch and the sample. */
import { randomWords } from "@lockstep/random";

/** The augmentation. `flip-crop` mirrors half of the images left to right, pads with black and crops at random. */
export type Augment = "none" | "flip-crop";

/** Number of black pixels added on each side before an image is cropped to its original size. */
const PADDING = 4;

/** The augmentation of one image: an optional flip, then a shift in pixels, positive for down and right. */
export interface FlipCrop {
  flip: boolean;
  down: number;
  right: number;
}

/** Draws one of 2 × 9 × 9 equally likely outcomes for a sample in an epoch. A pure function of its arguments. */
export function drawFlipCrop(seed: number, epoch: number, sampleId: number): FlipCrop {
  const [first = 0, second = 0, third = 0] = randomWords(seed, "augment", [epoch, sampleId, 0], new Uint32Array(3));
  const shift = (word: number) => Math.floor((word / 2 ** 32) * (2 * PADDING + 1)) - PADDING;
  return { flip: first < 2 ** 31, down: shift(second), right: shift(third) };
}

/**
 * Writes the flipped and shifted image to `out`; both are [height, width, channels] bytes. Uncovered pixels are black.
 */
export function applyFlipCrop(
  image: Uint8Array,
  [height, width, channels]: readonly [number, number, number],
  { flip, down, right }: FlipCrop,
  out: Uint8Array,
): void {
  // biome-ignore-start lint/style/noNonNullAssertion: `inside` checks the position, and a check of each byte would be slow
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const to = (row * width + column) * channels;
      const fromRow = row - down;
      const moved = column - right;
      const inside = fromRow >= 0 && fromRow < height && moved >= 0 && moved < width;
      const from = (fromRow * width + (flip ? width - 1 - moved : moved)) * channels;
      for (let channel = 0; channel < channels; channel++) out[to + channel] = inside ? image[from + channel]! : 0;
    }
  }
  // biome-ignore-end lint/style/noNonNullAssertion: see above
}
