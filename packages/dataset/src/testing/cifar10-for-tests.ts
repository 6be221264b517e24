/** Writes files in CIFAR-10's format, for tests. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** The names of the six files, in order. */
export const CIFAR10_NAMES = [...[1, 2, 3, 4, 5].map((number) => `data_batch_${number}.bin`), "test_batch.bin"];

/**
 * Returns the content of file `number`: black images with label 0, except that the first has that label and counts up.
 */
export function cifar10File(number: number, records = 10_000): Buffer {
  const bytes = Buffer.alloc(records * 3073);
  bytes[0] = number;
  for (let i = 1; i < 3073; i++) bytes[i] = i % 256;
  return bytes;
}

/** Writes the six files, numbered from 1, and returns their folder. */
export function writeCifar10(folder: string): string {
  mkdirSync(folder, { recursive: true });
  for (const [index, name] of CIFAR10_NAMES.entries()) writeFileSync(join(folder, name), cifar10File(index + 1));
  return folder;
}

/** Writes the six files with labels that count up and pixels drawn by xorshift, so that no two records are equal. */
export function writeVariedCifar10(folder: string): string {
  mkdirSync(folder, { recursive: true });
  let word = 1;
  for (const name of CIFAR10_NAMES) {
    const words = new Uint32Array((10_000 * 3073) / 4);
    for (let i = 0; i < words.length; i++) {
      word ^= word << 13;
      word ^= word >>> 17;
      word ^= word << 5;
      words[i] = word;
    }
    const bytes = Buffer.from(words.buffer);
    for (let record = 0; record < 10_000; record++) bytes[record * 3073] = record % 10;
    writeFileSync(join(folder, name), bytes);
  }
  return folder;
}
