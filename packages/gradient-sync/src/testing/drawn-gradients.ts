/** For tests: random gradients for the subtrees of a step, and their sums, computed without the code under test. */
import fc from "fast-check";
import { type Layout, makeLayout, partElements } from "../layout/layout.ts";
import type { Wire } from "../layout/wire.ts";

/** The gradients of a step: their layout, and the result of every attempt at every subtree. */
export interface DrawnGradients {
  layout: Layout;
  /** Number of samples of each subtree. */
  subtreeSamples: number[];
  /** Number of samples of each slice. */
  sliceSamples: number[];
  /** Number of slices of each subtree. */
  subtreeSlices: number[];
  /** Returns a part of an attempt at a subtree. Any two attempts differ, so that a mixture of them is detected. */
  partOf: (subtree: number, attempt: number, part: number) => Float32Array<ArrayBuffer>;
}

/** Ways to cut up to eight slices into subtrees, by hand. */
const SUBTREES = [
  [1],
  [2],
  [3],
  [1, 1],
  [2, 1],
  [1, 1, 1],
  [2, 2],
  [1, 1, 2],
  [1, 1, 1, 1],
  [4, 1],
  [2, 2, 3],
  [4, 2, 1],
];

const tensor = fc.oneof(
  fc.record({ form: fc.constant("dense" as const), shape: fc.tuple(fc.integer({ min: 1, max: 20 })) }),
  fc.record({
    form: fc.constant("factored" as const),
    shape: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
  }),
);

/** Draws tensors of both forms, a wire type, a chunk size, subtrees, and numbers, many of which may be 0. */
export const drawnGradients: fc.Arbitrary<DrawnGradients> = fc
  .record({
    tensors: fc.array(tensor, { minLength: 1, maxLength: 4 }),
    wire: fc.constantFrom<Wire>("fp32", "bf16"),
    chunkBytes: fc.integer({ min: 4, max: 80 }),
    subtreeSlices: fc.constantFrom(...SUBTREES),
    samplesOfSlices: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 8, maxLength: 8 }),
    zeros: fc.constantFrom(0, 0.5, 0.95),
    seed: fc.nat(),
  })
  .map(({ tensors, wire, chunkBytes, subtreeSlices, samplesOfSlices, zeros, seed }) => {
    const ends = subtreeSlices.map((_, subtree) => sum(subtreeSlices.slice(0, subtree + 1)));
    const sliceSamples = samplesOfSlices.slice(0, sum(subtreeSlices));
    const subtreeSamples = ends.map((end, subtree) => sum(sliceSamples.slice(ends[subtree - 1] ?? 0, end)));
    const specs = tensors.map(({ shape }, index) => ({ name: `t${index}`, shape, dtype: "float32" as const }));
    const layout = makeLayout(specs, { forms: tensors.map(({ form }) => form), wire, chunkBytes });
    const partOf = (subtree: number, attempt: number, part: number) =>
      Float32Array.from({ length: partElements(layout, part, subtreeSamples[subtree] ?? 0) }, (_, index) =>
        numberAt([seed, subtree, attempt, part, index], zeros),
      );
    return { layout, subtreeSamples, sliceSamples, subtreeSlices, partOf };
  });

/** Returns the parts of the step that consists of these attempts, one per subtree. */
export function plainStep(
  { layout, subtreeSlices, partOf }: DrawnGradients,
  attempts: readonly number[],
): Float32Array[] {
  const round = layout.wire === "bf16" ? nearestBf16 : (value: number) => value;
  return layout.rowElements.map((_, part) => {
    const subtrees = attempts.map((attempt, subtree) => [...partOf(subtree, attempt, part)].map(round));
    if (part > 0) return Float32Array.from(subtrees.flat());
    const sums = treeSum(subtrees, subtreeSlices);
    return Float32Array.from(sums.map(round));
  });
}

/**
 * Adds the values of subtrees from the definition of the tree: it splits at the largest power of two below its size.
 */
function treeSum(values: readonly number[][], slices: readonly number[]): number[] {
  const [only] = values;
  if (only !== undefined && values.length === 1) return only;
  let split = 1;
  while (split * 2 < sum(slices)) split *= 2;
  const left = slices.findIndex((_, subtree) => sum(slices.slice(0, subtree)) === split);
  const right = treeSum(values.slice(left), slices.slice(left));
  return treeSum(values.slice(0, left), slices.slice(0, left)).map((value, i) => Math.fround(value + (right[i] ?? 0)));
}

/** Adds up numbers, in their order. */
export const sum = (numbers: readonly number[]) => numbers.reduce((total, next) => total + next, 0);

/** Rounds to 8 significant binary digits, ties to even, in float64. */
export function nearestBf16(value: number): number {
  if (value === 0) return value;
  const unit = 2 ** (Math.floor(Math.log2(Math.abs(value))) - 7);
  const below = Math.floor(value / unit);
  const rest = value / unit - below;
  const up = rest > 0.5 || (rest === 0.5 && below % 2 !== 0);
  return unit * (up ? below + 1 : below);
}

/**
 * Returns a float32 of either sign with a magnitude from 2⁻⁶ to 2⁶, so that the order of a sum matters; or 0, with
 * probability `zeros`.
 */
function numberAt(place: readonly number[], zeros: number): number {
  const [first, second, third] = [0, 1, 2].map((salt) => hash([...place, salt])) as [number, number, number];
  if (first < zeros) return 0;
  const size = 2 ** (12 * second - 6);
  return Math.fround(third < 0.5 ? -size : size);
}

/** Returns a number in [0, 1) that is determined by the given ones. */
function hash(numbers: readonly number[]): number {
  let state = 0x9e3779b9;
  for (const number of numbers) {
    state = Math.imul(state ^ number, 0x85ebca6b);
    state = Math.imul(state ^ (state >>> 13), 0xc2b2ae35);
    state ^= state >>> 16;
  }
  return (state >>> 0) / 2 ** 32;
}
