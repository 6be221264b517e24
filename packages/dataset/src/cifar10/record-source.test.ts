/** Compares records and statistics with the bytes of files that are made here. */
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { defined, temporaryFolder } from "@lockstep/testing";
import { expect, onTestFinished, test } from "vitest";
import { channelStatistics } from "../images/normalize.ts";
import { CIFAR10_NAMES, writeVariedCifar10 } from "../testing/cifar10-for-tests.ts";
import { cifar10Files, openCifar10 } from "./cifar10.ts";
import { openRecordSource, type RecordSource } from "./record-source.ts";

const dataDir = writeVariedCifar10(temporaryFolder());

/** Opens the files until the end of the test. */
async function open(): Promise<RecordSource> {
  const source = defined(await openRecordSource("cifar10", { dataDir }));
  onTestFinished(source.close);
  return source;
}

test("openRecordSource computes the mean and std of `channelStatistics` without blocking the event loop", async () => {
  let turns = 0;
  let counting: NodeJS.Immediate | undefined;
  const count = () => {
    turns++;
    counting = setImmediate(count);
  };
  count();
  const { facts } = await open();
  clearImmediate(defined(counting));
  const hash = createHash("sha256");
  for (const name of CIFAR10_NAMES) hash.update(readFileSync(join(dataDir, name)));
  expect(facts).toEqual({
    dataset: "cifar10",
    digest: hash.digest("hex"),
    trainSamples: 50_000,
    testSamples: 10_000,
    ...channelStatistics(openCifar10(defined(cifar10Files(dataDir))).train), // toEqual compares numbers exactly
  });
  expect(turns).toBeGreaterThan(200); // at least one for each of 240 chunks, but for a few at the ends of files
});

test("a record source returns the files' bytes, in the order of the indexes, repetitions included", async () => {
  const { read } = await open();
  const expected = (split: "train" | "test", index: number) => {
    const name = split === "test" ? "test_batch.bin" : `data_batch_${1 + Math.floor(index / 10_000)}.bin`;
    const start = (index % 10_000) * 3073;
    return readFileSync(join(dataDir, name)).subarray(start, start + 3073);
  };
  const sameBytes = (split: "train" | "test", indexes: number[]) =>
    Buffer.concat(indexes.map((index) => expected(split, index))).equals(read(split, Uint32Array.from(indexes)));
  expect(sameBytes("train", [49_999, 0, 9_999, 10_000, 0, 30_001])).toBe(true);
  expect(sameBytes("test", [9_999, 3])).toBe(true);
  expect(read("train", new Uint32Array()).length).toBe(0);
});

test("a record source refuses indexes outside the split, and too many", async () => {
  const { read } = await open();
  const refusal = (message: string) => expect.objectContaining({ code: "ERR_RECORDS", message });
  expect(() => read("train", Uint32Array.of(1, 50_000))).toThrow(
    refusal("Expected indexes below 50000, the number of records in the train files, got 50000."),
  );
  expect(() => read("test", Uint32Array.of(10_000))).toThrow(
    refusal("Expected indexes below 10000, the number of records in the test files, got 10000."),
  );
  expect(read("test", new Uint32Array(1024)).length).toBe(1024 * 3073);
  expect(() => read("test", new Uint32Array(1025))).toThrow(
    refusal("Expected a request for up to 1024 records, got 1025; send several requests."),
  );
});

test("openRecordSource refuses a label above 9 and names its record", async () => {
  const path = join(dataDir, "test_batch.bin");
  const bytes = readFileSync(path);
  bytes[777 * 3073] = 10;
  writeFileSync(path, bytes);
  await expect(open()).rejects.toThrow(`${path}: expected labels from 0 to 9, got 10 in record 777.`);
  bytes[777 * 3073] = 7;
  writeFileSync(path, bytes);
});

test("openRecordSource returns undefined for shapes, and reports a folder without files", async () => {
  expect(await openRecordSource("shapes")).toBeUndefined();
  const empty = join(dataDir, "empty");
  await expect(openRecordSource("cifar10", { dataDir: empty })).rejects.toThrow(
    `in ${empty}, but this folder does not exist.`,
  );
});
