/** The records of a data set's files, read when asked for: what a coordinator gives to workers without files. */
import { createHash } from "node:crypto";
import { closeSync, openSync, readSync } from "node:fs";
import { open } from "node:fs/promises";
import { LockstepError } from "@lockstep/errors";
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

/** Read at a time while the files are measured: 0.8 MB, after which the event loop has its turn, every 3 to 5 ms. */
const CHUNK_RECORDS = 250;

/** The records of a data set's files, as other machines receive them. */
export interface RecordSource {
  facts: SuppliedFacts;
  /**
   * Records one after the other, as the files have them: a label byte, then 3,072 bytes.
   *
   * @throws LockstepError ERR_RECORDS for an index outside the part or more than MAX_RECORDS_PER_REQUEST indexes
   */
  read(split: RecordSplit, indexes: Uint32Array): Uint8Array<ArrayBuffer>;
  /** Closes the files. */
  close(): void;
}

/**
 * Opens the files of a data set, after downloading them if need be, and reads them once through to measure them.
 * Undefined for shapes, which have no files.
 *
 * @throws LockstepError that says what to do, if there are no files or wrong ones and the site is out of reach
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
    const at = (index % CIFAR10_FILE_RECORDS) * CIFAR10_RECORD_BYTES;
    const bytes = readSync(files[split][number]!, out, start, CIFAR10_RECORD_BYTES, at);
    if (bytes < CIFAR10_RECORD_BYTES) throw cutShort(paths[split][number]!, at + bytes);
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

/** The digest of all files, and the mean and std of the training images. */
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

/** A file's records, 250 at a time, in a buffer that the next ones overwrite. */
async function* chunksOf(path: string): AsyncGenerator<Uint8Array> {
  const chunk = new Uint8Array(CHUNK_RECORDS * CIFAR10_RECORD_BYTES);
  const file = await open(path);
  try {
    for (let first = 0; first < CIFAR10_FILE_RECORDS; first += CHUNK_RECORDS) {
      const at = first * CIFAR10_RECORD_BYTES;
      const { bytesRead } = await file.read(chunk, 0, chunk.length, at);
      if (bytesRead < chunk.length) throw cutShort(path, at + bytesRead);
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
      `Expected a request for up to ${MAX_RECORDS_PER_REQUEST} records, got ${indexes.length}; ask in several requests.`,
    );
  }
  const outside = indexes.find((index) => index >= samples);
  if (outside === undefined) return;
  throw new LockstepError(
    "ERR_RECORDS",
    `Expected indexes below ${samples}, as many records as the ${split} files have, got ${outside}.`,
  );
}

function cutShort(path: string, bytes: number): LockstepError {
  const end = `an end after ${bytes.toLocaleString("en")} bytes, as if it had been cut while it was read`;
  return cifar10FileError(path, `${CIFAR10_FILE_RECORDS.toLocaleString("en")} records`, end);
}
