/**
 * CIFAR-10 in its binary version: six files of 10,000 records. A record is a label byte and 1,024 red, 1,024 green and
 * 1,024 blue bytes, each row by row. Source: https://www.cs.toronto.edu/~kriz/cifar.html
 */
import { readFileSync, statSync } from "node:fs";
import { at, LockstepError } from "@lockstep/errors";
import { defaultDataDir } from "../records/data-dir.ts";
import type { Records } from "../records/records.ts";
import { type Cifar10Files, findCifar10Files } from "./find-cifar10.ts";

/** The names of the ten labels, in their order. */
const CIFAR10_CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];
const SIDE = 32;
const PIXELS = SIDE * SIDE;
/** The size of a record: a label and its image. */
export const CIFAR10_RECORD_BYTES = 1 + 3 * PIXELS;
/** The number of records in each file. */
export const CIFAR10_FILE_RECORDS = 10_000;
const FILE_BYTES = CIFAR10_FILE_RECORDS * CIFAR10_RECORD_BYTES;
/** The sizes and classes that the training and the test split share. */
export const CIFAR10_IMAGES = { height: SIDE, width: SIDE, channels: 3, classes: CIFAR10_CLASSES };

/**
 * Returns the paths of the six files in a folder, as `findCifar10Files` finds them; undefined if the folder has none.
 *
 * @param fileBytes the size that each file must have
 * @throws LockstepError if some are missing or a size is wrong
 */
export function cifar10Files(dir: string, fileBytes = FILE_BYTES): Cifar10Files | undefined {
  const files = findCifar10Files(dir);
  for (const path of [...(files?.train ?? []), ...(files?.test ?? [])]) assertSize(path, fileBytes);
  return files;
}

/**
 * Reads the files (184 MB) into memory and checks their labels.
 *
 * @throws LockstepError ERR_DATA_FILE that names the record with a label above 9
 */
export function openCifar10(files: Cifar10Files): { train: Records; test: Records } {
  return { train: recordsOf(files.train), test: recordsOf(files.test) };
}

function recordsOf(paths: readonly string[]): Records {
  const files = paths.map(readChecked);
  return {
    samples: files.length * CIFAR10_FILE_RECORDS,
    ...CIFAR10_IMAGES,
    read(index, out) {
      const file = at(files, Math.floor(index / CIFAR10_FILE_RECORDS));
      return readCifar10Record(file, index % CIFAR10_FILE_RECORDS, out);
    },
  };
}

/** Writes the image of record `index` in `records` as [32, 32, 3] bytes to `out`, and returns its label. */
export function readCifar10Record(records: Uint8Array, index: number, out: Uint8Array): number {
  const start = index * CIFAR10_RECORD_BYTES;
  // biome-ignore-start lint/style/noNonNullAssertion: the records are whole, and a check of each byte would be slow
  for (let pixel = 0, red = start + 1; pixel < PIXELS; pixel++, red++) {
    out[3 * pixel] = records[red]!;
    out[3 * pixel + 1] = records[red + PIXELS]!;
    out[3 * pixel + 2] = records[red + 2 * PIXELS]!;
  }
  return records[start]!;
  // biome-ignore-end lint/style/noNonNullAssertion: see above
}

/** Finds the first record with a label above 9. */
export function findWrongLabel(records: Uint8Array): { index: number; label: number } | undefined {
  for (let start = 0; start < records.length; start += CIFAR10_RECORD_BYTES) {
    const label = at(records, start);
    if (label >= CIFAR10_CLASSES.length) return { index: start / CIFAR10_RECORD_BYTES, label };
  }
  return undefined;
}

function assertSize(path: string, fileBytes: number): void {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats?.isFile() && stats.size === fileBytes) return;
  const size = stats?.isDirectory() ? "a folder" : `${stats?.size.toLocaleString("en")} bytes`;
  throw cifar10FileError(path, `${fileBytes.toLocaleString("en")} bytes`, stats === undefined ? "no such file" : size);
}

function readChecked(path: string): Buffer {
  const bytes = readFileSync(path);
  assertCifar10Labels(path, bytes, 0);
  return bytes;
}

/**
 * Checks the labels of consecutive records of a file, starting with record `first`.
 *
 * @throws LockstepError ERR_DATA_FILE that names the record with a label above 9
 */
export function assertCifar10Labels(path: string, records: Uint8Array, first: number): void {
  const wrong = findWrongLabel(records);
  if (wrong === undefined) return;
  throw cifar10FileError(path, "labels from 0 to 9", `${wrong.label} in record ${first + wrong.index}`);
}

/** Makes the error for a file that is not one of CIFAR-10's, with a remedy. */
export function cifar10FileError(path: string, expected: string, got: string): LockstepError {
  const remedy = isDownloaded(path)
    ? "delete the files to download them again, or pass a folder with --data-dir."
    : "unpack cifar-10-binary.tar.gz there again, or pass another folder with --data-dir.";
  const text = `${path}: expected ${expected}, got ${got}. It must be a file of CIFAR-10's binary version`;
  return new LockstepError("ERR_DATA_FILE", `${text}: ${remedy}`);
}

/** Returns whether a file is in the folder that CIFAR-10 is downloaded to. */
function isDownloaded(path: string): boolean {
  try {
    return path.startsWith(defaultDataDir("cifar10"));
  } catch {
    return false; // this user has no such folder
  }
}
