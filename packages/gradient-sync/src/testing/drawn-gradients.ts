/** For tests: random gradients for the slices of a step, and their sums, computed without the code under test. */
import fc from "fast-check";
import { type Layout, makeLayout, partElements } from "../layout/layout.ts";
import type { Wire } from "../layout/wire.ts";

/** The gradients of a step: their layout, and the result of every attempt at every slice. */
export interface DrawnGradients {
  layout: Layout;
  /** Number of samples of each slice. */
  sliceSamples: number[];
  /** Returns a part of an attempt at a slice. Any two attempts differ, so that a mixture of them is detected. */
  partOf: (slice: number, attempt: number, part: number) => Float32Array<ArrayBuffer>;
}

const tensor = fc.oneof(
  fc.record({ form: fc.constant("dense" as const), shape: fc.tuple(fc.integer({ min: 1, max: 20 })) }),
  fc.record({
    form: fc.constant("factored" as const),
    shape: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
  }),
);

/** Draws tensors of both forms, a wire type, a chunk size, slices, and numbers, many of which may be 0. */
export const drawnGradients: fc.Arbitrary<DrawnGradients> = fc
  .record({
    tensors: fc.array(tensor, { minLength: 1, maxLength: 4 }),
    wire: fc.constantFrom<Wire>("fp32", "bf16"),
    chunkBytes: fc.integer({ min: 4, max: 80 }),
    sliceSamples: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 }),
    zeros: fc.constantFrom(0, 0.5, 0.95),
    seed: fc.nat(),
  })
  .map(({ tensors, wire, chunkBytes, sliceSamples, zeros, seed }) => {
    const specs = tensors.map(({ shape }, index) => ({ name: `t${index}`, shape, dtype: "float32" as const }));
    const layout = makeLayout(specs, { forms: tensors.map(({ form }) => form), wire, chunkBytes });
    const partOf = (slice: number, attempt: number, part: number) =>
      Float32Array.from({ length: partElements(layout, part, sliceSamples[slice] ?? 0) }, (_, index) =>
        numberAt([seed, slice, attempt, part, index], zeros),
      );
    return { layout, sliceSamples, partOf };
  });

/** Returns the parts of the step that consists of these attempts, one per slice. */
export function plainStep({ layout, partOf }: DrawnGradients, attempts: readonly number[]): Float32Array[] {
  const round = layout.wire === "bf16" ? nearestBf16 : (value: number) => value;
  return layout.rowElements.map((_, part) => {
    const slices = attempts.map((attempt, slice) => [...partOf(slice, attempt, part)].map(round));
    if (part > 0) return Float32Array.from(slices.flat());
    const sums = slices.reduce((total, values) => total.map((sum, i) => Math.fround(sum + (values[i] ?? 0))));
    return Float32Array.from(sums.map(round));
  });
}

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
