/**
 * The random initializers of TensorFlow.js, with random numbers from the seed, so that they are reproducible.
 * Distributions and parameters are those of tfjs-layers 4.22, `initializers.ts`. They are computed in JavaScript, so
 * they are the same on every backend.
 */
import { at } from "@lockstep/errors";
import { elementCount } from "@lockstep/formats";
import { normals, type Place, uniforms } from "@lockstep/random";
import type { Initializer } from "./weight-sources.ts";

/** The place for initializers with a seed of their own, which no weight of the run uses. */
const OWN_SEED: Place = [0, 0, 1];

/** The place of a weight's random numbers in the stream "init". */
export interface DrawAt {
  seed: number;
  place: Place;
}

type Config = Readonly<Record<string, unknown>>;
type Draw = (config: Config, shape: readonly number[], at: DrawAt) => Float32Array;

const DRAWS: ReadonlyMap<string, Draw> = new Map([
  [
    "RandomUniform",
    (config, shape, at) => uniformIn(numberIn(config, "minval"), numberIn(config, "maxval"), shape, at),
  ],
  ["RandomNormal", (config, shape, at) => normal(numberIn(config, "mean"), numberIn(config, "stddev"), shape, at)],
  [
    "TruncatedNormal",
    (config, shape, at) => truncated(numberIn(config, "mean"), numberIn(config, "stddev"), shape, at),
  ],
  ["VarianceScaling", varianceScaling],
  ["Orthogonal", orthogonal],
]);

/**
 * Draws the values of a weight if its initializer is a random one of TensorFlow.js; returns undefined for any other.
 *
 * If the initializer has its own seed, that replaces the run's seed, so weights with the same seed are equal.
 */
export function drawAs(initializer: Initializer, shape: readonly number[], at: DrawAt): Float32Array | undefined {
  const draw = DRAWS.get(initializer.getClassName());
  if (draw === undefined) return undefined;
  const config = initializer.getConfig();
  const own = config["seed"];
  return draw(config, shape, typeof own === "number" ? { seed: own >>> 0, place: OWN_SEED } : at);
}

function numberIn(config: Config, name: string): number {
  const value = config[name];
  if (typeof value === "number") return value;
  throw new Error(`Expected an initializer with a number ${name}, got ${String(value)}.`);
}

/** Returns whether `drawAs` can draw the values of an initializer. */
export function drawsAtRandom(initializer: Initializer): boolean {
  return DRAWS.has(initializer.getClassName());
}

/** Draws from U(low, high). */
export function uniformIn(low: number, high: number, shape: readonly number[], { seed, place }: DrawAt): Float32Array {
  return scaled(uniforms(seed, "init", place, elementCount(shape)), high - low, low);
}

/** Draws from N(mean, deviation²). */
export function normal(mean: number, deviation: number, shape: readonly number[], at: DrawAt): Float32Array {
  return scaled(normals(at.seed, "init", at.place, elementCount(shape)), deviation, mean);
}

/** Draws from N(mean, deviation²), skipping numbers more than two deviations from the mean. */
function truncated(mean: number, deviation: number, shape: readonly number[], { seed, place }: DrawAt): Float32Array {
  const count = elementCount(shape);
  for (let drawn = Math.ceil(count * 1.1) + 64; ; drawn *= 2) {
    const accepted = normals(seed, "init", place, drawn).filter((value) => Math.abs(value) <= 2);
    if (accepted.length >= count) return scaled(accepted.slice(0, count), deviation, mean);
  }
}

/** Draws for the initializers of Glorot, He and LeCun. */
function varianceScaling(config: Config, shape: readonly number[], at: DrawAt): Float32Array {
  const { mode, distribution } = config;
  const [fanIn, fanOut] = fansOf(shape);
  const fan = mode === "fanIn" ? fanIn : mode === "fanOut" ? fanOut : (fanIn + fanOut) / 2;
  const variance = numberIn(config, "scale") / Math.max(1, fan);
  if (distribution === "normal") return truncated(0, Math.sqrt(variance), shape, at);
  const limit = Math.sqrt(3 * variance);
  return uniformIn(-limit, limit, shape, at);
}

/** Returns fan-in and fan-out as tfjs-layers counts them. Those of a vector are the square root of its length. */
function fansOf(shape: readonly number[]): [number, number] {
  if (shape.length < 2 || shape.length > 5) {
    const root = Math.sqrt(elementCount(shape));
    return [root, root];
  }
  const [inputs, outputs] = [at(shape, -2), at(shape, -1)];
  const window = elementCount(shape.slice(0, -2));
  return [window * inputs, window * outputs];
}

/**
 * Returns a random matrix [rows, columns] with orthonormal columns, or rows if it is wide, times `gain`. The
 * Gram–Schmidt process keeps the diagonal of R positive, which makes Q uniform (Mezzadri, 2007).
 */
function orthogonal(config: Config, shape: readonly number[], place: DrawAt): Float32Array {
  const columns = at(shape, -1);
  const rows = elementCount(shape.slice(0, -1));
  const [length, count] = [Math.max(rows, columns), Math.min(rows, columns)];
  const drawn = normals(place.seed, "init", place.place, length * count);
  const vectors: Float64Array[] = [];
  for (let k = 0; k < count; k++) {
    vectors.push(orthonormal(Float64Array.from(drawn.subarray(k * length, (k + 1) * length)), vectors));
  }
  const isTall = rows >= columns;
  const gain = numberIn(config, "gain");
  return Float32Array.from({ length: rows * columns }, (_, i) => {
    const [row, column] = [Math.floor(i / columns), i % columns];
    return gain * (isTall ? at(at(vectors, column), row) : at(at(vectors, row), column));
  });
}

// biome-ignore-start lint/style/noNonNullAssertion: the loops stay inside arrays of equal length, and checks would be slow
/** Orthogonalizes `vector` to the others in place, twice for accuracy, and returns it with length 1. */
function orthonormal(vector: Float64Array, others: readonly Float64Array[]): Float64Array {
  for (let round = 0; round < 2; round++) {
    for (const other of others) {
      const along = dot(vector, other);
      for (let i = 0; i < vector.length; i++) vector[i]! -= along * other[i]!;
    }
  }
  const norm = Math.sqrt(dot(vector, vector));
  return vector.map((value) => value / norm);
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

/** Computes factor·x + offset in place. */
function scaled(values: Float32Array, factor: number, offset: number): Float32Array {
  for (let i = 0; i < values.length; i++) values[i] = values[i]! * factor + offset;
  return values;
}
// biome-ignore-end lint/style/noNonNullAssertion: see above
