/**
 * Dropout from counters: whether a unit is dropped depends on (seed, step, sample, layer, unit) alone, so it does not
 * matter which worker computes the sample, or with which others.
 */
import { randomWords } from "@lockstep/random";

/** The numbers that decide which units a step drops. */
export interface DropoutDraw {
  seed: number;
  step: number;
  /** The sample of each row: its index in the data set. */
  sampleIds: Uint32Array;
}

/**
 * The factors of one dropout layer, row by row: 0 for a dropped unit, else 1 / (1 − rate), which keeps the
 * expectation ("inverted dropout").
 *
 * @param layer which application of dropout in the forward pass this is, from 0
 * @param rate share of units to drop, from 0 to 1
 * @returns sampleIds.length × units numbers
 */
export function dropoutMask(draw: DropoutDraw, layer: number, rate: number, units: number): Float32Array<ArrayBuffer> {
  const { seed, step, sampleIds } = draw;
  const mask = new Float32Array(sampleIds.length * units);
  const words = new Uint32Array(units);
  // A word from `dropped` on is kept: then this plus the word is 2³² or more. Floor, and not a comparison, because a
  // processor would guess every other branch wrong.
  const dropped = Math.round(rate * 2 ** 32);
  const upTo = 2 ** 32 - dropped;
  const kept = rate < 1 ? 1 / (1 - rate) : 0;
  for (const [row, sample] of sampleIds.entries()) {
    randomWords(seed, "dropout", [layer, sample, step], words);
    for (let unit = 0; unit < units; unit++)
      mask[row * units + unit] = kept * Math.floor((words[unit]! + upTo) * 2 ** -32);
  }
  return mask;
}
