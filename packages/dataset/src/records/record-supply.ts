/** Defines how a coordinator with a data set's files supplies records to a worker without them. */
import type { DatasetName } from "./records.ts";

/** The splits that have files. A run's training and validation splits are both drawn from `train`. */
export type RecordSplit = "train" | "test";

/** Largest number of indexes in one request: 3.1 MB of CIFAR-10's records, which fit into a message of 4 MiB. */
export const MAX_RECORDS_PER_REQUEST = 1024;

/** The facts about a data set that a worker needs in place of the files. */
export interface SuppliedFacts {
  dataset: DatasetName;
  /** SHA-256 of the files, in hexadecimal. Equal digests mean equal records. */
  digest: string;
  trainSamples: number;
  testSamples: number;
  /** Mean of each channel over all training images, in float64 because a rounded mean would normalise differently. */
  mean: number[];
  /** Standard deviation of each channel over all training images, in float64. */
  std: number[];
}

/** Supplies records to a worker without files. */
export interface RecordSupply {
  facts: SuppliedFacts;
  /**
   * Resolves with the bytes that `RecordSource.read` returns, for up to MAX_RECORDS_PER_REQUEST indexes. Rejects if the
   * coordinator cannot send them. Calls may overlap, and resolve in any order.
   */
  fetch(split: RecordSplit, indexes: Uint32Array): Promise<Uint8Array>;
}
