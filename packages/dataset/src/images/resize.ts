/**
 * Bilinear resizing with pixels as little squares, smoothed before shrinking: what PyTorch calls
 * `interpolate(mode="bilinear", align_corners=False, antialias=True)`, and torchvision's `Resize` does.
 */

/** Pixels. */
export interface Size {
  height: number;
  width: number;
}

/** Resizes [height, width, channels] bytes into `out`, each axis by its own scale, rounding to the nearest byte. */
export function resize(image: Uint8Array, from: Size, out: Uint8Array, to: Size, channels: number): void {
  if (from.height === to.height && from.width === to.width) out.set(image);
  else scale(image, from, out, to, channels, { height: from.height / to.height, width: from.width / to.width });
}

/** Like `resize`, but by one scale, so that the image covers the size; what sticks out on both sides is left out. */
export function cover(image: Uint8Array, from: Size, out: Uint8Array, to: Size, channels: number): void {
  const step = Math.min(from.height / to.height, from.width / to.width);
  scale(image, from, out, to, channels, { height: step, width: step });
}

/** @param steps how many old pixels lie between the middles of two new ones */
function scale(image: Uint8Array, from: Size, out: Uint8Array, to: Size, channels: number, steps: Size): void {
  const columns = weightedPixels(from.width, to.width, steps.width);
  const rows = weightedPixels(from.height, to.height, steps.height);
  const narrow = sumAlong(image, from.height, from.width, channels, columns);
  const values = sumAlong(narrow, 1, from.height, to.width * channels, rows);
  for (let i = 0; i < values.length; i++) out[i] = values[i]! + 0.5;
}

/** The old pixels that a new one is made of: `weights.length` of them from `first` on. */
interface WeightedPixels {
  first: number;
  weights: number[];
}

/** Returns the taps of each pixel of the new axis, whose middle is that of the old one. The weights form a triangle. */
function weightedPixels(from: number, to: number, step: number): WeightedPixels[] {
  const reach = Math.max(step, 1);
  const start = (from - to * step) / 2;
  return Array.from({ length: to }, (_, i) => {
    const middle = start + (i + 0.5) * step;
    const first = Math.max(Math.floor(middle - reach + 0.5), 0);
    const end = Math.min(Math.floor(middle + reach + 0.5), from);
    const weights = Array.from({ length: end - first }, (_, j) =>
      Math.max(1 - Math.abs(first + j + 0.5 - middle) / reach, 0),
    );
    const sum = weights.reduce((total, weight) => total + weight, 0);
    return { first, weights: weights.map((weight) => weight / sum) };
  });
}

/** [outer, from, inner] → [outer, pixels.length, inner] */
function sumAlong(
  values: Uint8Array | Float64Array,
  outer: number,
  from: number,
  inner: number,
  pixels: readonly WeightedPixels[],
): Float64Array {
  const out = new Float64Array(outer * pixels.length * inner);
  let at = 0;
  for (let o = 0; o < outer; o++) {
    for (const { first, weights } of pixels) {
      let start = (o * from + first) * inner;
      for (const weight of weights) {
        for (let i = 0; i < inner; i++) out[at + i]! += weight * values[start + i]!;
        start += inner;
      }
      at += inner;
    }
  }
  return out;
}
