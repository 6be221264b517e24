/** Augments training images: a pure function of the seed, the epoch and the sample. */
import { randomWords } from "@lockstep/random";

/** `flip-crop`: mirrored left to right half of the time, and cropped at random after padding with black. */
export type Augment = "none" | "flip-crop";

/** Black pixels that are put around an image before it is cropped to its old size. */
const PADDING = 4;

/** The augmentation of one image: it is mirrored or not, then moved by whole pixels, down and right if positive. */
export interface FlipCrop {
  flip: boolean;
  down: number;
  right: number;
}

/** The draw for a sample in an epoch: each of 2 × 9 × 9 outcomes is as likely. A pure function of its arguments. */
export function drawFlipCrop(seed: number, epoch: number, sampleId: number): FlipCrop {
  const words = randomWords(seed, "augment", [epoch, sampleId, 0], new Uint32Array(3));
  const shift = (word: number) => Math.floor((word / 2 ** 32) * (2 * PADDING + 1)) - PADDING;
  return { flip: words[0]! < 2 ** 31, down: shift(words[1]!), right: shift(words[2]!) };
}

/** Writes the flipped and moved image to `out`; both are [height, width, channels] bytes. What comes in is black. */
export function applyFlipCrop(
  image: Uint8Array,
  [height, width, channels]: readonly [number, number, number],
  { flip, down, right }: FlipCrop,
  out: Uint8Array,
): void {
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
}
