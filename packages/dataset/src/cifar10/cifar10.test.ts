/** Reads files that are made here, whole and damaged, and compares the real data with published statistics. */
import { linkSync, mkdirSync, readdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { defined, temporaryFolder } from "@lockstep/testing";
import { expect, test, vi } from "vitest";
import { channelStatistics } from "../images/normalize.ts";
import { cifar10File, writeCifar10 } from "../testing/cifar10-for-tests.ts";
import { cifar10Files, openCifar10 } from "./cifar10.ts";

/** The files that the tests share. Each test restores what it changes. */
const root = temporaryFolder();
const flat = writeCifar10(join(root, "cifar-10-batches-bin"));

/** Puts the files into another folder, without copying their bytes. */
function cpLinked(from: string, to: string, nameOf = (name: string) => name): void {
  mkdirSync(to, { recursive: true });
  for (const name of readdirSync(from)) linkSync(join(from, name), join(to, nameOf(name)));
}

test("cifar10Files finds the six files in the folder, or in cifar-10-batches-bin inside it", () => {
  expect(cifar10Files(flat)?.train).toEqual([1, 2, 3, 4, 5].map((i) => join(flat, `data_batch_${i}.bin`)));
  expect(cifar10Files(flat)?.test).toEqual([join(flat, "test_batch.bin")]);
  expect(cifar10Files(root)).toEqual(cifar10Files(flat));
});

test("cifar10Files finds the files in a nested folder, in one of another name, and in upper case", () => {
  const twice = join(root, "twice");
  cpLinked(flat, join(twice, "cifar-10-batches-bin/cifar-10-batches-bin"));
  const expected = join(twice, "cifar-10-batches-bin/cifar-10-batches-bin/test_batch.bin");
  for (const dir of [twice, join(twice, "cifar-10-batches-bin")]) expect(cifar10Files(dir)?.test).toEqual([expected]);
  const other = join(root, "other");
  cpLinked(flat, join(other, "CIFAR10"), (name) => name.toUpperCase());
  expect(cifar10Files(other)?.train[0]).toBe(join(other, "CIFAR10/DATA_BATCH_1.BIN"));
  cpLinked(flat, join(other, "copy"));
  expect(() => cifar10Files(other)).toThrow(
    `found several: ${join(other, "CIFAR10")}, ${join(other, "copy")}. Pass one`,
  );
  rmSync(twice, { recursive: true });
  rmSync(other, { recursive: true });
});

test("the error for a wrong file suggests deletion only in the download folder", () => {
  const path = join(flat, "data_batch_3.bin");
  truncateSync(path, 1);
  expect(() => cifar10Files(root)).toThrow("unpack cifar-10-binary.tar.gz there again, or pass another folder");
  vi.stubEnv("LOCKSTEP_DATA", join(root, "data"));
  cpLinked(flat, join(root, "data/cifar10/cifar-10-batches-bin"));
  expect(() => cifar10Files(join(root, "data/cifar10"))).toThrow("delete the files to download them again");
  vi.unstubAllEnvs();
  rmSync(join(root, "data"), { recursive: true });
  writeFileSync(path, cifar10File(3));
});

test("cifar10Files returns undefined for a folder without the files and for a missing folder", () => {
  expect(cifar10Files(join(root, "nowhere"))).toBeUndefined();
});

test.each([
  ["data_batch_3.bin", 30_729_999, "expected 30,730,000 bytes, got 30,729,999 bytes"],
  ["test_batch.bin", 30_730_001, "expected 30,730,000 bytes, got 30,730,001 bytes"],
  ["data_batch_1.bin", 0, "expected 30,730,000 bytes, got 0 bytes"],
])("cifar10Files refuses %s with %d bytes", (name, bytes, message) => {
  const path = join(flat, name);
  truncateSync(path, bytes);
  expect(() => cifar10Files(root)).toThrow(`${path}: ${message}.`);
  writeFileSync(path, cifar10File(1));
});

test("cifar10Files refuses a folder in which one file is missing", () => {
  const path = join(flat, "data_batch_2.bin");
  rmSync(path);
  expect(() => cifar10Files(root)).toThrow(`${path}: expected 30,730,000 bytes, got no such file.`);
  writeFileSync(path, cifar10File(2));
});

test("openCifar10 reads records in file order, and interleaves their colour planes", () => {
  writeCifar10(flat);
  const { train, test: testRecords } = openCifar10(defined(cifar10Files(flat)));
  const out = new Uint8Array(3072);
  expect([0, 1, 10_000, 40_000, 49_999].map((index) => train.read(index, out))).toEqual([1, 0, 2, 5, 0]);
  expect(testRecords.read(0, out)).toBe(6);
  expect([train.samples, testRecords.samples, train.classes[3]]).toEqual([50_000, 10_000, "cat"]);
  // Byte i of the record is i mod 256: red begins at byte 1, green at 1025, blue at 2049, and a row is 32 bytes.
  expect([...out.subarray(0, 6)]).toEqual([1, 1, 1, 2, 2, 2]);
  expect([...out.subarray(3 * 1023)]).toEqual([1024 % 256, 2048 % 256, 3072 % 256]);
  expect([...out.subarray(3 * 33, 3 * 33 + 3)]).toEqual([34, 1058 % 256, 2082 % 256]);
});

test("openCifar10 keeps red, green and blue apart", () => {
  const bytes = cifar10File(0).fill(10, 1, 1025).fill(20, 1025, 2049).fill(30, 2049, 3073);
  writeFileSync(join(flat, "test_batch.bin"), bytes);
  const out = new Uint8Array(3072);
  openCifar10(defined(cifar10Files(flat))).test.read(0, out);
  expect(out).toEqual(Uint8Array.from({ length: 3072 }, (_, i) => defined([10, 20, 30][i % 3])));
});

test("openCifar10 refuses a label above 9 and names its record", () => {
  const bytes = cifar10File(4);
  bytes[7 * 3073] = 10;
  const path = join(flat, "data_batch_4.bin");
  writeFileSync(path, bytes);
  expect(() => openCifar10(defined(cifar10Files(flat)))).toThrow(
    `${path}: expected labels from 0 to 9, got 10 in record 7.`,
  );
});

// LOCKSTEP_TEST_CIFAR10 names a folder with the real files.
const real = process.env["LOCKSTEP_TEST_CIFAR10"];
test.skipIf(real === undefined)(
  "the real CIFAR-10 has equally frequent classes and the published mean and std (LOCKSTEP_TEST_CIFAR10)",
  () => {
    const { train, test: testRecords } = openCifar10(defined(cifar10Files(defined(real))));
    const out = new Uint8Array(3072);
    for (const records of [train, testRecords]) {
      const counts = new Array<number>(10).fill(0);
      for (let index = 0; index < records.samples; index++)
        counts[records.read(index, out)] = defined(counts[records.read(index, out)]) + 1;
      expect(counts).toEqual(new Array(10).fill(records.samples / 10));
    }
    const { mean, std } = channelStatistics(train);
    // Printed by many; for example https://github.com/kuangliu/pytorch-cifar/issues/19.
    for (const [channel, value] of [0.4914, 0.4822, 0.4465].entries()) expect(mean[channel]).toBeCloseTo(value, 2);
    for (const [channel, value] of [0.247, 0.2435, 0.2616].entries()) expect(std[channel]).toBeCloseTo(value, 2);
  },
);
