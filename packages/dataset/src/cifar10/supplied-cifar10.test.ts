/** Checks which records are fetched and cached, with a supply that replies wrongly on request. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test as withFolder } from "@lockstep/testing";
import { expect, vi } from "vitest";
import type { RecordSplit, RecordSupply, SuppliedFacts } from "../records/record-supply.ts";
import { openSuppliedCifar10 } from "./supplied-cifar10.ts";

const facts: SuppliedFacts = {
  dataset: "cifar10",
  digest: "0123456789abcdef".repeat(4),
  trainSamples: 5000,
  testSamples: 20,
  mean: [0.1, 0.2, 0.3],
  std: [0.4, 0.5, 0.6],
};

/** Record `index` has label `index % 10`, and all of its pixels are `index % 251`, plus 1 in the test part. */
function recordsOf(split: RecordSplit, indexes: Uint32Array): Uint8Array {
  const records = new Uint8Array(indexes.length * 3073);
  for (const [place, index] of indexes.entries()) {
    records.fill((index % 251) + (split === "test" ? 1 : 0), place * 3073, (place + 1) * 3073);
    records[place * 3073] = index % 10;
  }
  return records;
}

/** `folder` is that of downloaded and cached data. */
const test = withFolder.extend("environment", { auto: true }, ({ folder }, { onCleanup }) => {
  vi.stubEnv("LOCKSTEP_DATA", folder);
  onCleanup(() => void vi.unstubAllEnvs());
});

/** Supplies what `reply` returns, and lists what was asked for. */
class AskedSupply implements RecordSupply {
  readonly facts = facts;
  readonly asked: [RecordSplit, number[]][] = [];
  reply: (split: RecordSplit, indexes: Uint32Array) => Uint8Array = recordsOf;

  async fetch(split: RecordSplit, indexes: Uint32Array): Promise<Uint8Array> {
    this.asked.push([split, [...indexes]]);
    return this.reply(split, indexes);
  }
}

/** Opens records that a supply replies with `reply`. */
function openWith(reply: AskedSupply["reply"], supply = new AskedSupply()) {
  supply.reply = reply;
  return openSuppliedCifar10(supply);
}

test("supplied CIFAR-10 fetches each record once, and reads it as from a file", async ({ folder }) => {
  const supply = new AskedSupply();
  const { train, test: testRecords } = openSuppliedCifar10(supply);
  expect([train.samples, testRecords.samples, train.height, train.classes[3]]).toEqual([5000, 20, 32, "cat"]);
  const image = new Uint8Array(3072);
  const first = await train.load(Uint32Array.of(13, 4));
  expect([first.read(4, image), image[0], first.read(13, image), image[3071]]).toEqual([4, 4, 3, 13]);
  const next = await train.load(Uint32Array.of(4, 5, 13));
  expect([next.read(13, image), image[0], next.read(5, image), image[0]]).toEqual([3, 13, 5, 5]);
  expect((await testRecords.load(Uint32Array.of(4))).read(4, image)).toBe(4);
  expect(image[0]).toBe(5);
  expect(supply.asked).toEqual([
    ["train", [13, 4]],
    ["train", [5]],
    ["test", [4]],
  ]);
  expect(readdirSync(join(folder, "cifar10", "records", facts.digest))).toEqual(["test.records", "train.records"]);
});

test("supplied CIFAR-10 fetches at most 1,024 records at a time", async () => {
  const supply = new AskedSupply();
  const { train } = openSuppliedCifar10(supply);
  const indexes = Uint32Array.from({ length: 2100 }, (_, i) => 2 * i);
  const records = await train.load(indexes);
  expect(supply.asked.map(([, indexes]) => indexes.length)).toEqual([1024, 1024, 52]);
  const image = new Uint8Array(3072);
  for (const index of indexes) {
    expect(records.read(index, image)).toBe(index % 10);
    expect(image[0]).toBe(index % 251);
  }
});

test("supplied CIFAR-10 refuses a response of the wrong length, caches none of it, and fetches again", async () => {
  const supply = new AskedSupply();
  for (const bytes of [0, 3073, 2 * 3073 - 1, 3 * 3073]) {
    const { train } = openWith(() => new Uint8Array(bytes), supply);
    await expect(train.load(Uint32Array.of(1, 2))).rejects.toMatchObject({
      code: "ERR_RECORDS",
      message: expect.stringContaining(
        `Expected 2 records, 6,146 bytes, of the train files from the coordinator, got ${bytes.toLocaleString("en")} bytes.`,
      ),
    });
  }
  await openWith(recordsOf, supply).train.load(Uint32Array.of(1, 2));
  expect(supply.asked).toEqual(Array(5).fill(["train", [1, 2]]));
});

test("supplied CIFAR-10 refuses a label above 9 and names its record", async () => {
  const { test: testRecords } = openWith((_, { length }) => new Uint8Array(length * 3073).fill(10, 3073));
  await expect(testRecords.load(Uint32Array.of(7, 17))).rejects.toThrow(
    "Expected labels from 0 to 9 of the test files from the coordinator, got 10 in record 17.",
  );
});

test.for<[string, Partial<SuppliedFacts>]>([
  ["another data set", { dataset: "shapes" }],
  ["a digest that is a path", { digest: `../../${"a".repeat(58)}` }],
  ["no training samples", { trainSamples: 0 }],
  ["more test samples than CIFAR-10 has", { testSamples: 4_000_000_000 }],
  ["means of two channels", { mean: [0.5, 0.5] }],
  ["stds that are no numbers", { std: [0.5, 0.5, Number.NaN] }],
])("openSuppliedCifar10 refuses facts with %s", ([, wrong], { folder }) => {
  expect(() =>
    openSuppliedCifar10({ facts: { ...facts, ...wrong }, fetch: async (split, indexes) => recordsOf(split, indexes) }),
  ).toThrow(expect.objectContaining({ code: "ERR_RECORDS", message: expect.stringContaining("facts about cifar10") }));
  expect(readdirSync(folder)).toEqual([]);
});
