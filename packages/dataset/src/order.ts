/** The order of the samples in an epoch. */
import { permutation } from "@lockstep/random";

/**
 * The order in which an epoch visits the samples: `indices` shuffled anew for each epoch, or as they are without
 * `shuffle`. A pure function of its arguments. Batch b of an epoch is the range [b · batchSize, (b + 1) · batchSize)
 * of it; the last batch is what is left.
 */
export function epochOrder(
  indices: Uint32Array<ArrayBuffer>,
  seed: number,
  epoch: number,
  { shuffle }: { shuffle: boolean },
): Uint32Array<ArrayBuffer> {
  if (!shuffle) return indices;
  return permutation(seed, "order", [epoch, 0, 0], indices.length).map((position) => indices[position]!);
}

/** Batches of an epoch, the last, smaller one included. */
export function stepsPerEpoch(samples: number, batchSize: number): number {
  return Math.ceil(samples / batchSize);
}
