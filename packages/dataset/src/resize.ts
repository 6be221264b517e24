/**
 * Bilinear resizing with pixels as little squares and no smoothing before shrinking: what PyTorch calls
 * `interpolate(mode="bilinear", align_corners=False)`.
 */

/** Pixels. */
export interface Size {
  height: number;
  width: number;
}

/** Resizes [height, width, channels] bytes into `out`, rounding to the nearest byte. */
export function resize(image: Uint8Array, from: Size, out: Uint8Array, to: Size, channels: number): void {
  if (from.height === to.height && from.width === to.width) {
    out.set(image);
    return;
  }
  const rows = axis(from.height, to.height, from.width * channels);
  const columns = axis(from.width, to.width, channels);
  let at = 0;
  for (let row = 0; row < to.height; row++) {
    const top = rows.lower[row]!;
    const bottom = rows.upper[row]!;
    const down = rows.share[row]!;
    for (let column = 0; column < to.width; column++) {
      const left = columns.lower[column]!;
      const right = columns.upper[column]!;
      const across = columns.share[column]!;
      for (let channel = 0; channel < channels; channel++) {
        const upper = image[top + left + channel]! * (1 - across) + image[top + right + channel]! * across;
        const lower = image[bottom + left + channel]! * (1 - across) + image[bottom + right + channel]! * across;
        out[at++] = upper * (1 - down) + lower * down + 0.5;
      }
    }
  }
}

/** For each place of the new axis: where the two old places around it begin, and the upper one's share. */
function axis(from: number, to: number, stride: number) {
  const places = Float64Array.from({ length: to }, (_, i) => Math.max(((i + 0.5) * from) / to - 0.5, 0));
  return {
    lower: Int32Array.from(places, (place) => Math.floor(place) * stride),
    upper: Int32Array.from(places, (place) => Math.min(Math.floor(place) + 1, from - 1) * stride),
    share: places.map((place) => place % 1),
  };
}
