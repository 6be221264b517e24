/** The contract between a coordinator with a data set's files and a worker without them. */
import type { DatasetName } from "./records.ts";

/** The files of a data set. A run's training and validation parts are both drawn from `train`. */
export type RecordSplit = "train" | "test";

/** Most indexes in one request: 3.1 MB of CIFAR-10's records, which leaves room in a message of 4 MiB. */
export const MAX_RECORDS_PER_REQUEST = 1024;

/** The facts of a data set that a worker needs in place of the files. */
export interface SuppliedFacts {
  dataset: DatasetName;
  /** sha256 of the files, in hexadecimal. Records of one digest are the same everywhere. */
  digest: string;
  trainSamples: number;
  testSamples: number;
  /** Mean of each channel over all training images, in float64: rounded, it would normalise differently. */
  mean: number[];
  std: number[];
}

/** Supplies records to a worker without files. */
export interface RecordSupply {
  facts: SuppliedFacts;
  /**
   * The same bytes as `RecordSource.read` gives, for up to MAX_RECORDS_PER_REQUEST indexes. Rejects when the
   * coordinator cannot give them. Calls may overlap, and be answered in any order.
   */
  fetch(split: RecordSplit, indexes: Uint32Array): Promise<Uint8Array>;
}
