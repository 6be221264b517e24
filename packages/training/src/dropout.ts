/**
 * Counter-based dropout: whether a unit is dropped depends on (seed, step, sample, layer, unit) alone, so it does not
 * matter which worker computes the sample or which other samples are in its slice.
 */
import { randomWords } from "@lockstep/random";

/** The numbers that decide which units a step drops. */
export interface DropoutDraw {
  seed: number;
  step: number;
  /** Index of each row's sample in the data set. */
  sampleIds: Uint32Array;
}

/**
 * Returns the factors of one dropout layer, row by row: 0 for a dropped unit, else 1 / (1 − rate), which preserves the
 * expectation ("inverted dropout").
 *
 * @param layer number of this application of dropout in the forward pass, from 0
 * @param rate fraction of units to drop, from 0 to 1
 * @returns sampleIds.length × units factors
 */
export function dropoutMask(draw: DropoutDraw, layer: number, rate: number, units: number): Float32Array<ArrayBuffer> {
  const { seed, step, sampleIds } = draw;
  const mask = new Float32Array(sampleIds.length * units);
  const words = new Uint32Array(units);
  // A word of at least `dropped` keeps its unit: word + upTo is then at least 2³². Floor instead of a comparison, since
  // a processor would mispredict every other branch.
  const dropped = Math.round(rate * 2 ** 32);
  const upTo = 2 ** 32 - dropped;
  const scale = rate < 1 ? 1 / (1 - rate) : 0;
  for (const [row, sample] of sampleIds.entries()) {
    randomWords(seed, "dropout", [layer, sample, step], words);
    for (let unit = 0; unit < units; unit++)
      mask[row * units + unit] = scale * Math.floor(((words[unit] ?? 0) + upTo) * 2 ** -32);
  }
  return mask;
}
