/** Determines the order of the samples in an epoch. */
import { at } from "@lockstep/errors";
import { permutation } from "@lockstep/random";

/**
 * Returns the order in which an epoch visits the samples: `indices`, shuffled for each epoch if `shuffle` is set. A
 * pure function of its arguments. Batch b of an epoch is the range [b · batchSize, (b + 1) · batchSize) of the order;
 * the last batch may be smaller.
 */
export function epochOrder(
  indices: Uint32Array<ArrayBuffer>,
  seed: number,
  epoch: number,
  { shuffle }: { shuffle: boolean },
): Uint32Array<ArrayBuffer> {
  if (!shuffle) return indices;
  return permutation(seed, "order", [epoch, 0, 0], indices.length).map((position) => at(indices, position));
}

/** Returns the number of batches in an epoch, including a smaller last one. */
export function stepsPerEpoch(samples: number, batchSize: number): number {
  return Math.ceil(samples / batchSize);
}
