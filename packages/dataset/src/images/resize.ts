/**
 * Resizes images bilinearly with antialiasing, like PyTorch's `interpolate(mode="bilinear", align_corners=False,
 * antialias=True)` and torchvision's `Resize`.
 */

/** The size of an image in pixels. */
export interface Size {
  height: number;
  width: number;
}

/** Resizes [height, width, channels] bytes into `out`, each axis by its own factor, rounding to the nearest byte. */
export function resize(image: Uint8Array, from: Size, out: Uint8Array, to: Size, channels: number): void {
  if (from.height === to.height && from.width === to.width) out.set(image);
  else scale(image, from, out, to, channels, { height: from.height / to.height, width: from.width / to.width });
}

/** Resizes both axes by one factor, so that the image covers the size, and crops the excess on both sides equally. */
export function cover(image: Uint8Array, from: Size, out: Uint8Array, to: Size, channels: number): void {
  const step = Math.min(from.height / to.height, from.width / to.width);
  scale(image, from, out, to, channels, { height: step, width: step });
}

/** @param steps distance between the centres of adjacent new pixels, in old pixels */
function scale(image: Uint8Array, from: Size, out: Uint8Array, to: Size, channels: number, steps: Size): void {
  const columns = weightedPixels(from.width, to.width, steps.width);
  const rows = weightedPixels(from.height, to.height, steps.height);
  const narrow = sumAlong(image, from.height, from.width, channels, columns);
  const values = sumAlong(narrow, 1, from.height, to.width * channels, rows);
  out.set(values.map((value) => value + 0.5)); // the conversion to bytes truncates
}

/** The old pixels that contribute to a new pixel: `weights.length` of them, starting with `first`. */
interface WeightedPixels {
  first: number;
  weights: number[];
}

/**
 * Returns the contributions to each pixel of the new axis, which has the centre of the old one. Weights are triangular.
 */
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

/** Computes weighted sums along the middle axis: [outer, from, inner] → [outer, pixels.length, inner]. */
function sumAlong(
  values: Uint8Array | Float64Array,
  outer: number,
  from: number,
  inner: number,
  pixels: readonly WeightedPixels[],
): Float64Array {
  const out = new Float64Array(outer * pixels.length * inner);
  let at = 0;
  // biome-ignore-start lint/style/noNonNullAssertion: the sums stay inside both arrays, and checks would be slow
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
  // biome-ignore-end lint/style/noNonNullAssertion: see above
  return out;
}
