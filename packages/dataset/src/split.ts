/** Splits the training records into a training and a validation split. */
import { LockstepError } from "@lockstep/errors";
import { permutation } from "@lockstep/random";

/** Indices into the training records, in ascending order. Each index is in exactly one of the two. */
export interface Split {
  train: Uint32Array<ArrayBuffer>;
  /** Empty if the fraction rounds to all samples. */
  validation: Uint32Array<ArrayBuffer>;
}

/**
 * Draws round(samples · fraction) samples for training; the others are for validation. A pure
 * function of its arguments.
 *
 * @param fraction above 0, up to 1
 * @throws LockstepError ERR_TRAIN_FRACTION if no sample is left for training
 */
export function splitTrain(samples: number, fraction: number, seed: number): Split {
  const trainSamples = Math.round(samples * fraction);
  if (!(fraction > 0 && fraction <= 1) || trainSamples < 1) {
    throw new LockstepError(
      "ERR_TRAIN_FRACTION",
      `Expected a train fraction above 0, up to 1, that selects at least one of ${samples} samples, got ${fraction}.`,
    );
  }
  const drawn = permutation(seed, "split", [0, 0, 0], samples);
  return { train: drawn.slice(0, trainSamples).sort(), validation: drawn.slice(trainSamples).sort() };
}
