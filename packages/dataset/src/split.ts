/** Splits the training samples into those that train and those that validate. */
import { LockstepError } from "@lockstep/errors";
import { permutation } from "@lockstep/random";

/** Indices into the training records, in rising order. Together they hold each index once. */
export interface Split {
  train: Uint32Array<ArrayBuffer>;
  /** Empty when the fraction is 1, or rounds to all. */
  validation: Uint32Array<ArrayBuffer>;
}

/**
 * Draws round(samples · fraction) of the training samples to train on; the others validate. A pure function of its
 * arguments.
 *
 * @param fraction above 0, up to 1
 * @throws LockstepError if nothing is left to train on
 */
export function splitTrain(samples: number, fraction: number, seed: number): Split {
  const trainSamples = Math.round(samples * fraction);
  if (!(fraction > 0 && fraction <= 1) || trainSamples < 1) {
    throw new LockstepError(
      "ERR_TRAIN_FRACTION",
      `Expected a train fraction above 0, up to 1, that leaves at least one of ${samples} samples, got ${fraction}.`,
    );
  }
  const drawn = permutation(seed, "split", [0, 0, 0], samples);
  return { train: drawn.slice(0, trainSamples).sort(), validation: drawn.slice(trainSamples).sort() };
}
