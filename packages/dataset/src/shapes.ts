/**
 * Shapes: a data set without files. Ten shapes are drawn at a random position, size and angle in two random colours, at
 * any resolution. Either colour can be the lighter one, so no single pixel reveals the class: a linear model fails, and
 * a convolutional model learns it in minutes.
 *
 * An image is a pure function of (split, index, size). A shape is a signed distance function, in radii, negative
 * inside. The distance in pixels, clamped to half a pixel, gives the pixel's coverage, which smooths the edge. Source:
 * Inigo Quilez, "2D distance functions", https://iquilezles.org/articles/distfunctions2d/
 */
import { at } from "@lockstep/errors";
import { randomWords } from "@lockstep/random";
import type { Records } from "./records/records.ts";

type Distance = (x: number, y: number) => number;

const { abs, cos, hypot, max, min, sin } = Math;
const box = (x: number, y: number, halfWidth: number, halfHeight: number) =>
  max(abs(x) - halfWidth, abs(y) - halfHeight);
const plus: Distance = (x, y) => min(box(x, y, 0.95, 0.3), box(x, y, 0.3, 0.95));
const disc: Distance = (x, y) => hypot(x, y) - 0.9;
/** Three bars across y with two gaps, all of the same width. */
const bars = (y: number) => abs(abs(abs(y) - 0.36) - 0.36) - 0.18;

/** The shapes, in coordinates in radii: x to the right, y down, (0, 0) at the shape's centre. */
const shapes: Record<string, Distance> = {
  disc,
  ring: (x, y) => abs(hypot(x, y) - 0.7) - 0.22,
  square: (x, y) => box(x, y, 0.8, 0.8),
  frame: (x, y) => abs(box(x, y, 0.65, 0.65)) - 0.2,
  triangle: (x, y) => max(abs(x) * 0.866 - y * 0.5 - 0.45, y - 0.6),
  plus,
  cross: (x, y) => plus((x + y) * Math.SQRT1_2, (x - y) * Math.SQRT1_2),
  checkers: (x, y) => max(box(x, y, 0.85, 0.85), min(abs(x), abs(y)) * (x * y > 0 ? 1 : -1)),
  "horizontal stripes": (x, y) => max(box(x, y, 0.9, 0.9), bars(y)),
  "vertical stripes": (x, y) => max(box(x, y, 0.9, 0.9), bars(x)),
};
/** The names of the labels, in order. */
export const SHAPES_CLASSES = Object.keys(shapes);
const distances = Object.values(shapes);

const SAMPLES = { train: 10_000, test: 2_000 } as const;
const SPLITS = { train: 0, test: 1 } as const;
/** The seed of every image. The set is the same in every run, whatever the run's seed is. */
const SEED = 0;

/** Opens a split of the set, drawn at `height` × `width` pixels in RGB. Classes repeat every ten images. */
export function openShapes(split: "train" | "test", height: number, width: number): Records {
  return {
    samples: SAMPLES[split],
    height,
    width,
    channels: 3,
    classes: SHAPES_CLASSES,
    read(index, out) {
      const label = index % SHAPES_CLASSES.length;
      draw(at(distances, label), scene(split, index), height, width, out);
      return label;
    },
  };
}

/** Red, green and blue, from 0 to 255. */
type Color = readonly [number, number, number];

/** The position and colours of a shape in its image. Lengths are fractions of the image's shorter side. */
interface Scene {
  middleX: number;
  middleY: number;
  radius: number;
  /** Angle in radians. */
  angle: number;
  background: Color;
  foreground: Color;
}

/**
 * Draws a scene. Its colours differ enough to be visible and are close enough to grey to train on: with black and
 * white, training with He's initial weights and a learning rate of 0.01 diverged.
 */
function scene(split: keyof typeof SPLITS, index: number): Scene {
  const words = randomWords(SEED, "shapes", [SPLITS[split], index, 0], new Uint32Array(11));
  const between = (word: number, low: number, high: number) => low + (at(words, word) / 2 ** 32) * (high - low);
  const colorOf = (word: number, low: number, high: number): Color => [
    between(word, low, high),
    between(word + 1, low, high),
    between(word + 2, low, high),
  ];
  const dark = colorOf(4, 70, 110);
  const light = colorOf(7, 145, 185);
  const [background, foreground] = between(10, 0, 1) < 0.5 ? ([dark, light] as const) : ([light, dark] as const);
  return {
    middleX: between(0, 0.45, 0.55),
    middleY: between(1, 0.45, 0.55),
    radius: between(2, 0.38, 0.46),
    angle: between(3, -0.1, 0.1),
    background,
    foreground,
  };
}

function draw(distance: Distance, scene: Scene, height: number, width: number, out: Uint8Array): void {
  const { background, foreground } = scene;
  const [red, green, blue] = background;
  const [toRed, toGreen, toBlue] = [foreground[0] - red, foreground[1] - green, foreground[2] - blue];
  const radiusPixels = scene.radius * min(height, width);
  const stepX = cos(scene.angle) / radiusPixels;
  const stepY = sin(scene.angle) / radiusPixels;
  let position = 0;
  for (let row = 0; row < height; row++) {
    const down = row + 0.5 - scene.middleY * height;
    for (let column = 0; column < width; column++) {
      const right = column + 0.5 - scene.middleX * width;
      const pixels = distance(right * stepX + down * stepY, down * stepX - right * stepY) * radiusPixels;
      const cover = pixels >= 0.5 ? 0 : pixels <= -0.5 ? 1 : 0.5 - pixels;
      out[position++] = red + cover * toRed;
      out[position++] = green + cover * toGreen;
      out[position++] = blue + cover * toBlue;
    }
  }
}
