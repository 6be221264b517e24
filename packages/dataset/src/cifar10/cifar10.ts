/**
 * CIFAR-10 in its binary version: six files of 10,000 records. A record is a label byte and 1,024 red, 1,024 green and
 * 1,024 blue bytes, each row by row. Source: https://www.cs.toronto.edu/~kriz/cifar.html
 */
import { readFileSync, statSync } from "node:fs";
import { LockstepError } from "@lockstep/errors";
import { defaultDataDir } from "../records/data-dir.ts";
import type { Records } from "../records/records.ts";
import { type Cifar10Files, findCifar10Files } from "./find-cifar10.ts";

/** The names of the ten labels, in their order. */
export const CIFAR10_CLASSES = [
  "airplane",
  "automobile",
  "bird",
  "cat",
  "deer",
  "dog",
  "frog",
  "horse",
  "ship",
  "truck",
];
const SIDE = 32;
const PIXELS = SIDE * SIDE;
/** The size of a record: a label and its image. */
export const CIFAR10_RECORD_BYTES = 1 + 3 * PIXELS;
/** The number of records in each file. */
export const CIFAR10_FILE_RECORDS = 10_000;
const FILE_BYTES = CIFAR10_FILE_RECORDS * CIFAR10_RECORD_BYTES;
/** The facts that the train and the test part share. */
export const CIFAR10_IMAGES = { height: SIDE, width: SIDE, channels: 3, classes: CIFAR10_CLASSES };

/**
 * The paths of the six files in a folder, as `findCifar10Files` finds them. Undefined if none of them is there.
 *
 * @throws LockstepError if some are missing or a size is wrong
 */
export function cifar10Files(dir: string): Cifar10Files | undefined {
  const files = findCifar10Files(dir);
  for (const path of [...(files?.train ?? []), ...(files?.test ?? [])]) assertSize(path);
  return files;
}

/**
 * Reads the files, 184 MB, into memory and checks their labels.
 *
 * @throws LockstepError that names the record with a label above 9
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
      const file = files[Math.floor(index / CIFAR10_FILE_RECORDS)]!;
      return readCifar10Record(file, index % CIFAR10_FILE_RECORDS, out);
    },
  };
}

/** Writes the image of one of `records`, which lie one after the other, as [32, 32, 3] bytes and returns its label. */
export function readCifar10Record(records: Uint8Array, index: number, out: Uint8Array): number {
  const start = index * CIFAR10_RECORD_BYTES;
  for (let pixel = 0, red = start + 1; pixel < PIXELS; pixel++, red++) {
    out[3 * pixel] = records[red]!;
    out[3 * pixel + 1] = records[red + PIXELS]!;
    out[3 * pixel + 2] = records[red + 2 * PIXELS]!;
  }
  return records[start]!;
}

/** The first of `records` with a label above 9. */
export function findWrongLabel(records: Uint8Array): { index: number; label: number } | undefined {
  for (let start = 0; start < records.length; start += CIFAR10_RECORD_BYTES) {
    const label = records[start]!;
    if (label >= CIFAR10_CLASSES.length) return { index: start / CIFAR10_RECORD_BYTES, label };
  }
  return undefined;
}

function assertSize(path: string): void {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats?.isFile() && stats.size === FILE_BYTES) return;
  const size = stats?.isDirectory() ? "a folder" : `${stats?.size.toLocaleString("en")} bytes`;
  throw cifar10FileError(path, `${FILE_BYTES.toLocaleString("en")} bytes`, stats === undefined ? "no such file" : size);
}

function readChecked(path: string): Buffer {
  const bytes = readFileSync(path);
  assertCifar10Labels(path, bytes, 0);
  return bytes;
}

/**
 * Checks records of a file, of which the first is record `first`.
 *
 * @throws LockstepError that names the record with a label above 9
 */
export function assertCifar10Labels(path: string, records: Uint8Array, first: number): void {
  const wrong = findWrongLabel(records);
  if (wrong === undefined) return;
  throw cifar10FileError(path, "labels from 0 to 9", `${wrong.label} in record ${first + wrong.index}`);
}

/** Makes the error for a file that is not one of CIFAR-10's, with what to do. */
export function cifar10FileError(path: string, expected: string, found: string): LockstepError {
  const remedy = isDownloaded(path)
    ? "delete the files to have them downloaded anew, or name a folder with --data-dir."
    : "unpack cifar-10-binary.tar.gz there again, or name another folder with --data-dir.";
  const text = `${path}: expected ${expected}, found ${found}. It must be a file of CIFAR-10's binary version`;
  return new LockstepError("ERR_DATA_FILE", `${text}: ${remedy}`);
}

/** Returns whether a file lies in the folder that CIFAR-10 is downloaded to. */
function isDownloaded(path: string): boolean {
  try {
    return path.startsWith(defaultDataDir("cifar10"));
  } catch {
    return false; // this user has no such folder
  }
}
