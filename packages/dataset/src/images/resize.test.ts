/** Compares resized images with numbers worked out by hand and with those of PyTorch's interpolate. */
import { expect, test } from "vitest";
import { cover, resize } from "./resize.ts";

function resized(image: number[], from: [number, number], to: [number, number], channels = 1): number[] {
  const out = new Uint8Array(to[0] * to[1] * channels);
  const size = ([height, width]: [number, number]) => ({ height, width });
  resize(Uint8Array.from(image), size(from), out, size(to), channels);
  return [...out];
}

test("resize copies an image of the right size", () => {
  expect(resized([1, 2, 3, 4, 5, 6], [1, 2], [1, 2], 3)).toEqual([1, 2, 3, 4, 5, 6]);
});

test("resize doubles a row as worked out by hand: pixel i is at (i + 0.5) / 2 − 0.5", () => {
  expect(resized([0, 100], [1, 2], [1, 4])).toEqual([0, 25, 75, 100]);
  expect(resized([0, 100], [2, 1], [4, 1])).toEqual([0, 25, 75, 100]);
});

test("resize halves a row as worked out by hand: the weights at the edges are 3, 3 and 1", () => {
  expect(resized([0, 10, 20, 41], [1, 4], [1, 2])).toEqual([7, 28]); // 50 / 7 and 193 / 7
});

// torch.nn.functional.interpolate(images, size, mode="bilinear", antialias=True), rounded; images are
// torch.arange(6.).reshape(1, 1, 2, 3) * 50 and torch.arange(35.).reshape(1, 1, 5, 7) * 37 % 256.
test("resize equals PyTorch's interpolate", () => {
  expect(resized([0, 50, 100, 150, 200, 250], [2, 3], [3, 4])).toEqual([
    0, 31, 69, 100, 75, 106, 144, 175, 150, 181, 219, 250,
  ]);
  const image = Array.from({ length: 35 }, (_, i) => (i * 37) % 256);
  expect(resized(image, [5, 7], [3, 2])).toEqual([60, 165, 65, 169, 69, 174]);
});

test("resize keeps channels apart", () => {
  expect(resized([0, 200, 100, 0], [1, 2], [1, 4], 2)).toEqual([0, 200, 25, 150, 75, 50, 100, 0]);
});

test("cover equals a proportional resize followed by a centre crop", () => {
  const image = Array.from({ length: 6 * 16 }, (_, i) => (i * 37) % 256);
  const small = resized(image, [6, 16], [3, 8]);
  const middle = [0, 1, 2].flatMap((row) => small.slice(row * 8 + 2, row * 8 + 6));
  const out = new Uint8Array(3 * 4);
  cover(Uint8Array.from(image), { height: 6, width: 16 }, out, { height: 3, width: 4 }, 1);
  expect([...out]).toEqual(middle);
});

test("cover crops a tall image around the centre", () => {
  const out = new Uint8Array(2);
  cover(Uint8Array.of(10, 20, 30, 40), { height: 4, width: 1 }, out, { height: 2, width: 1 }, 1);
  expect([...out]).toEqual([20, 30]);
});
