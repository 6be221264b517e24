/**
 * Shapes: a data set without files. Ten shapes are drawn at a random place, size, angle and in two random colours,
 * at whatever resolution is asked for. Either colour can be the lighter one, so no pixel by itself tells the class:
 * a linear model fails, a convolutional one learns it in minutes.
 *
 * An image is a pure function of (part, index, size). A shape is a signed distance: below 0 inside, in radii. The
 * distance in pixels, cut off at half a pixel, is how much of the pixel the shape covers, which smooths its edge.
 * Source: Inigo Quilez, "2D distance functions", https://iquilezles.org/articles/distfunctions2d/
 */
import { randomWords } from "@lockstep/random";
import type { Records } from "./records/records.ts";

type Distance = (x: number, y: number) => number;

const { abs, cos, hypot, max, min, sin } = Math;
const box = (x: number, y: number, halfWidth: number, halfHeight: number) =>
  max(abs(x) - halfWidth, abs(y) - halfHeight);
const plus: Distance = (x, y) => min(box(x, y, 0.95, 0.3), box(x, y, 0.3, 0.95));
const disc: Distance = (x, y) => hypot(x, y) - 0.9;
/** Three bars across y with two gaps, all of one breadth. */
const bars = (y: number) => abs(abs(abs(y) - 0.36) - 0.36) - 0.18;

/** Image coordinates in radii: x to the right, y down, (0, 0) the shape's middle. */
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
/** The names of the labels, in their order. */
export const SHAPES_CLASSES = Object.keys(shapes);
const distances = Object.values(shapes);

const SAMPLES = { train: 10_000, test: 2_000 } as const;
const SPLITS = { train: 0, test: 1 } as const;
/** The seed of every image: the set is the same in every run, whatever the run's seed. */
const SEED = 0;

/** A part of the set, drawn at `height` × `width` pixels in RGB. Every tenth image is of the same class. */
export function openShapes(split: "train" | "test", height: number, width: number): Records {
  return {
    samples: SAMPLES[split],
    height,
    width,
    channels: 3,
    classes: SHAPES_CLASSES,
    read(index, out) {
      const label = index % SHAPES_CLASSES.length;
      draw(distances[label]!, scene(split, index), height, width, out);
      return label;
    },
  };
}

/** The place and the colours of a shape in its image. Lengths are shares of the image's shorter side. */
interface Scene {
  middleX: number;
  middleY: number;
  radius: number;
  /** Radians. */
  angle: number;
  background: readonly number[];
  foreground: readonly number[];
}

/**
 * The colours are far enough apart to see and near enough to grey to train on: between black and white, He's initial
 * weights with a learning rate of 0.01 were seen to diverge.
 */
function scene(split: keyof typeof SPLITS, index: number): Scene {
  const words = randomWords(SEED, "shapes", [SPLITS[split], index, 0], new Uint32Array(11));
  const between = (word: number, low: number, high: number) => low + (words[word]! / 2 ** 32) * (high - low);
  const dark = [4, 5, 6].map((word) => between(word, 70, 110));
  const light = [7, 8, 9].map((word) => between(word, 145, 185));
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
  const [red, green, blue] = background as [number, number, number];
  const [toRed, toGreen, toBlue] = foreground.map((value, channel) => value - background[channel]!) as [
    number,
    number,
    number,
  ];
  const radiusPixels = scene.radius * min(height, width);
  const stepX = cos(scene.angle) / radiusPixels;
  const stepY = sin(scene.angle) / radiusPixels;
  let at = 0;
  for (let row = 0; row < height; row++) {
    const down = row + 0.5 - scene.middleY * height;
    for (let column = 0; column < width; column++) {
      const right = column + 0.5 - scene.middleX * width;
      const pixels = distance(right * stepX + down * stepY, down * stepX - right * stepY) * radiusPixels;
      const cover = pixels >= 0.5 ? 0 : pixels <= -0.5 ? 1 : 0.5 - pixels;
      out[at++] = red + cover * toRed;
      out[at++] = green + cover * toGreen;
      out[at++] = blue + cover * toBlue;
    }
  }
}
