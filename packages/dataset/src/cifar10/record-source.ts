/** Reads the records of a data set's files on request. A coordinator sends them to workers without files. */
import { createHash } from "node:crypto";
import { closeSync, openSync, readSync } from "node:fs";
import { open } from "node:fs/promises";
import { at, LockstepError } from "@lockstep/errors";
import { channelSums, type MeanStd } from "../images/normalize.ts";
import { MAX_RECORDS_PER_REQUEST, type RecordSplit, type SuppliedFacts } from "../records/record-supply.ts";
import type { DatasetName } from "../records/records.ts";
import {
  assertCifar10Labels,
  CIFAR10_FILE_RECORDS,
  CIFAR10_IMAGES,
  CIFAR10_RECORD_BYTES,
  cifar10FileError,
  readCifar10Record,
} from "./cifar10.ts";
import type { Cifar10Files } from "./find-cifar10.ts";
import { type DataFilesOptions, provideCifar10 } from "./provide-cifar10.ts";

/** Records read at a time to measure the files: 0.8 MB, so that the event loop turns every 3 to 5 ms. */
const CHUNK_RECORDS = 250;

/** Provides the records of a data set's files, as they are sent to other machines. */
export interface RecordSource {
  facts: SuppliedFacts;
  /**
   * Returns the records one after the other, as in the files: a label byte, then 3,072 bytes.
   *
   * @throws LockstepError ERR_RECORDS for an index outside the split or more than MAX_RECORDS_PER_REQUEST indexes
   */
  read(split: RecordSplit, indexes: Uint32Array): Uint8Array<ArrayBuffer>;
  /** Closes the files. */
  close(): void;
}

/**
 * Opens the files of a data set, downloads them if necessary, and reads all of them once to
 * compute digest, mean and std.
 *
 * @returns undefined for shapes, which have no files
 * @throws LockstepError with a remedy if the files are wrong, or missing and cannot be downloaded
 */
export async function openRecordSource(
  dataset: DatasetName,
  options: DataFilesOptions = {},
): Promise<RecordSource | undefined> {
  if (dataset === "shapes") return undefined;
  const paths = await provideCifar10(options);
  const samples = {
    train: paths.train.length * CIFAR10_FILE_RECORDS,
    test: paths.test.length * CIFAR10_FILE_RECORDS,
  };
  const measured = await measure(paths);
  const openAll = (split: RecordSplit) => paths[split].map((path) => openSync(path, "r"));
  const files = { train: openAll("train"), test: openAll("test") };

  function readRecord(split: RecordSplit, index: number, out: Uint8Array, start: number): void {
    const number = Math.floor(index / CIFAR10_FILE_RECORDS);
    const position = (index % CIFAR10_FILE_RECORDS) * CIFAR10_RECORD_BYTES;
    const bytes = readSync(at(files[split], number), out, start, CIFAR10_RECORD_BYTES, position);
    if (bytes < CIFAR10_RECORD_BYTES) throw truncatedFile(at(paths[split], number), position + bytes);
  }

  return {
    facts: { dataset, trainSamples: samples.train, testSamples: samples.test, ...measured },
    read(split, indexes) {
      assertIndexes(split, indexes, samples[split]);
      const records = new Uint8Array(indexes.length * CIFAR10_RECORD_BYTES);
      for (const [place, index] of indexes.entries()) readRecord(split, index, records, place * CIFAR10_RECORD_BYTES);
      return records;
    },
    close() {
      for (const file of [...files.train.splice(0), ...files.test.splice(0)]) closeSync(file);
    },
  };
}

/** Computes the digest of all files, and the mean and std of the training images. */
async function measure({ train, test }: Cifar10Files): Promise<{ digest: string } & MeanStd> {
  const hash = createHash("sha256");
  const sums = channelSums(CIFAR10_IMAGES.channels);
  const image = new Uint8Array(CIFAR10_RECORD_BYTES - 1);
  for (const path of train) {
    for await (const records of chunksOf(path)) {
      hash.update(records);
      for (let index = 0; index < CHUNK_RECORDS; index++) {
        readCifar10Record(records, index, image);
        sums.add(image);
      }
    }
  }
  for (const path of test) for await (const records of chunksOf(path)) hash.update(records);
  return { digest: hash.digest("hex"), ...sums.meanStd() };
}

/** Yields a file's records, 250 at a time, in a buffer that the next chunk overwrites. */
async function* chunksOf(path: string): AsyncGenerator<Uint8Array> {
  const chunk = new Uint8Array(CHUNK_RECORDS * CIFAR10_RECORD_BYTES);
  const file = await open(path);
  try {
    for (let first = 0; first < CIFAR10_FILE_RECORDS; first += CHUNK_RECORDS) {
      const position = first * CIFAR10_RECORD_BYTES;
      const { bytesRead } = await file.read(chunk, 0, chunk.length, position);
      if (bytesRead < chunk.length) throw truncatedFile(path, position + bytesRead);
      assertCifar10Labels(path, chunk, first);
      yield chunk;
    }
  } finally {
    await file.close();
  }
}

function assertIndexes(split: RecordSplit, indexes: Uint32Array, samples: number): void {
  if (indexes.length > MAX_RECORDS_PER_REQUEST) {
    throw new LockstepError(
      "ERR_RECORDS",
      `Expected a request for up to ${MAX_RECORDS_PER_REQUEST} records, got ${indexes.length}; send several requests.`,
    );
  }
  const outside = indexes.find((index) => index >= samples);
  if (outside === undefined) return;
  throw new LockstepError(
    "ERR_RECORDS",
    `Expected indexes below ${samples}, the number of records in the ${split} files, got ${outside}.`,
  );
}

function truncatedFile(path: string, bytes: number): LockstepError {
  const end = `only ${bytes.toLocaleString("en")} bytes: the file was truncated while it was read`;
  return cifar10FileError(path, `${CIFAR10_FILE_RECORDS.toLocaleString("en")} records`, end);
}
