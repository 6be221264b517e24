import { describe, expect, test } from "vitest";
import { resize } from "./resize.ts";

function resized(image: number[], from: [number, number], to: [number, number], channels = 1): number[] {
  const out = new Uint8Array(to[0] * to[1] * channels);
  const size = ([height, width]: [number, number]) => ({ height, width });
  resize(Uint8Array.from(image), size(from), out, size(to), channels);
  return [...out];
}

describe("resize", () => {
  test("leaves an image of the right size as it is", () => {
    expect(resized([1, 2, 3, 4, 5, 6], [1, 2], [1, 2], 3)).toEqual([1, 2, 3, 4, 5, 6]);
  });

  test("doubles a row as worked by hand: pixel i lies at (i + 0.5) / 2 − 0.5", () => {
    expect(resized([0, 100], [1, 2], [1, 4])).toEqual([0, 25, 75, 100]);
    expect(resized([0, 100], [2, 1], [4, 1])).toEqual([0, 25, 75, 100]);
  });

  test("halves a row by the mean of two neighbours", () => {
    expect(resized([0, 10, 20, 41], [1, 4], [1, 2])).toEqual([5, 31]);
  });

  // torch.nn.functional.interpolate(torch.arange(6.).reshape(1, 1, 2, 3) * 50, (3, 4), mode="bilinear"), rounded.
  test("equals PyTorch's interpolate", () => {
    expect(resized([0, 50, 100, 150, 200, 250], [2, 3], [3, 4])).toEqual([
      0, 31, 69, 100, 75, 106, 144, 175, 150, 181, 219, 250,
    ]);
  });

  test("keeps channels apart", () => {
    expect(resized([0, 200, 100, 0], [1, 2], [1, 4], 2)).toEqual([0, 200, 25, 150, 75, 50, 100, 0]);
  });
});
