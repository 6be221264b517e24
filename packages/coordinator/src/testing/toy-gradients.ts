/**
 * For tests: the gradients of the toy model. They depend on the weights, the sample and the step, so that any error shows
 * in later weights.
 */
import { at } from "@lockstep/errors";

/** Samples [start, end) of the epoch's order. */
interface Range {
  start: number;
  end: number;
}

const samplesIn = ({ start, end }: Range) => Array.from({ length: end - start }, (_, row) => start + row);

/** Returns two inputs for each sample. */
export function toyInputs(range: Range, step: number): Float32Array {
  return Float32Array.from(samplesIn(range).flatMap((sample) => [Math.sin(sample + step), Math.cos(sample)]));
}

/** Returns three deltas for each sample. */
export function toyDeltas(range: Range, weights: Float32Array): Float32Array {
  const deltas = (sample: number) => [0, 1, 2].map((out) => at(weights, out) + 0.1 * Math.sin(sample * (out + 1)));
  return Float32Array.from(samplesIn(range).flatMap(deltas));
}

/** Returns the sum of each of three columns. */
export function columnSums(deltas: Float32Array): Float32Array {
  const sums = new Float32Array(3);
  for (const [index, delta] of deltas.entries()) sums[index % 3] = at(sums, index % 3) + delta;
  return sums;
}
