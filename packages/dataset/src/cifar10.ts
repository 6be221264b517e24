/**
 * CIFAR-10 in its binary version: six files of 10,000 records. A record is a label byte and 1,024 red, 1,024 green and
 * 1,024 blue bytes, each row by row. Source: https://www.cs.toronto.edu/~kriz/cifar.html
 */
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { LockstepError } from "@lockstep/errors";
import type { Records } from "./records.ts";

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
const RECORD_BYTES = 1 + 3 * PIXELS;
const FILE_RECORDS = 10_000;
const FILE_BYTES = FILE_RECORDS * RECORD_BYTES;
const TRAIN_FILES = [1, 2, 3, 4, 5].map((number) => `data_batch_${number}.bin`);
const TEST_FILES = ["test_batch.bin"];
/** The folder inside the official archive. */
export const CIFAR10_FOLDER = "cifar-10-batches-bin";

export interface Cifar10Files {
  train: string[];
  test: string[];
}

/**
 * The paths of the six files in `dir`, or in `cifar-10-batches-bin` inside it. Undefined if none of them is there.
 *
 * @throws LockstepError if some are missing or a size is wrong
 */
export function cifar10Files(dir: string): Cifar10Files | undefined {
  const names = [...TRAIN_FILES, ...TEST_FILES];
  const folder = [dir, join(dir, CIFAR10_FOLDER)].find((place) => names.some((name) => existsSync(join(place, name))));
  if (folder === undefined) return undefined;
  for (const name of names) checkSize(join(folder, name));
  return { train: TRAIN_FILES.map((name) => join(folder, name)), test: TEST_FILES.map((name) => join(folder, name)) };
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
    samples: files.length * FILE_RECORDS,
    height: SIDE,
    width: SIDE,
    channels: 3,
    classes: CIFAR10_CLASSES,
    read(index, out) {
      const file = files[Math.floor(index / FILE_RECORDS)]!;
      const start = (index % FILE_RECORDS) * RECORD_BYTES;
      for (let pixel = 0, red = start + 1; pixel < PIXELS; pixel++, red++) {
        out[3 * pixel] = file[red]!;
        out[3 * pixel + 1] = file[red + PIXELS]!;
        out[3 * pixel + 2] = file[red + 2 * PIXELS]!;
      }
      return file[start]!;
    },
  };
}

function checkSize(path: string): void {
  const bytes = existsSync(path) ? statSync(path).size : undefined;
  if (bytes === FILE_BYTES) return;
  throw fileError(
    path,
    `${FILE_BYTES.toLocaleString("en")} bytes`,
    bytes === undefined ? "no such file" : `${bytes.toLocaleString("en")} bytes`,
  );
}

function readChecked(path: string): Buffer {
  const bytes = readFileSync(path);
  for (let record = 0; record < FILE_RECORDS; record++) {
    const label = bytes[record * RECORD_BYTES]!;
    if (label >= CIFAR10_CLASSES.length) throw fileError(path, "labels from 0 to 9", `${label} in record ${record}`);
  }
  return bytes;
}

function fileError(path: string, expected: string, found: string): LockstepError {
  return new LockstepError(
    "ERR_DATA_FILE",
    `${path}: expected ${expected}, found ${found}. It must be a file of CIFAR-10's binary version: ` +
      "delete the files to have them downloaded anew, or pass another --data-dir.",
  );
}
