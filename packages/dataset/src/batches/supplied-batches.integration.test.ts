/** Compares batches from fetched records with those from files, byte for byte, and tries supplies that fail. */
import { closeSync, openSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { LockstepError } from "@lockstep/errors";
import { defined, temporaryFolder, test as withFolder } from "@lockstep/testing";
import { afterAll, expect, onTestFinished, vi } from "vitest";
import { openRecordSource } from "../cifar10/record-source.ts";
import type { RecordSplit, RecordSupply } from "../records/record-supply.ts";
import { writeVariedCifar10 } from "../testing/cifar10-for-tests.ts";
import type { Batch } from "./batch.ts";
import type { BatchConfig, SliceRequest } from "./batch-source.ts";
import { openBatchThread } from "./batch-thread.ts";

const config: BatchConfig = {
  dataset: "cifar10",
  height: 32,
  width: 32,
  trainFraction: 0.8,
  seed: 3,
  normalize: "dataset",
  augment: "flip-crop",
  shuffle: true,
};
const first: SliceRequest = { split: "train", epoch: 0, start: 0, end: 8 };
const slices: SliceRequest[] = [
  first,
  { split: "validation", epoch: 0, start: 9_990, end: 10_000 },
  { split: "train", epoch: 1, start: 39_990, end: 40_000 },
  { split: "test", epoch: 1, start: 5, end: 9 },
];

const dataDir = writeVariedCifar10(temporaryFolder());
const source = defined(await openRecordSource("cifar10", { dataDir }));
afterAll(() => source.close());

/** Supplies the records of the files, or what `answer` returns, and lists what was fetched. */
class RecordedSupply implements RecordSupply {
  readonly facts = source.facts;
  readonly fetched: [RecordSplit, number[]][] = [];
  readonly #answer: RecordSupply["fetch"];

  constructor(answer: RecordSupply["fetch"] = fromFiles) {
    this.#answer = answer;
  }

  fetch(split: RecordSplit, indexes: Uint32Array): Promise<Uint8Array> {
    this.fetched.push([split, [...indexes]]);
    return this.#answer(split, indexes);
  }
}

const fromFiles: RecordSupply["fetch"] = async (split, indexes) => source.read(split, indexes);
const noSupply = () => new RecordedSupply(() => Promise.reject(new Error("nothing should be fetched")));

/** Requests all slices at once and returns their batches and the thread's facts. */
async function batchesOf(config: BatchConfig, supply?: RecordSupply) {
  const thread = await openBatchThread(config, { supply });
  for (const slice of slices) thread.request(slice);
  const batches: Batch[] = [];
  for (const _ of slices) batches.push(await thread.next());
  await thread.close();
  return { meta: thread.meta, batches };
}

const unused = noSupply();
/** The batches made from the files. */
const expected = await batchesOf({ ...config, dataDir }, unused);

/** `folder` is that of downloaded and cached data, and nothing can be downloaded. */
const test = withFolder.extend("environment", { auto: true }, ({ folder }, { onCleanup }) => {
  vi.stubEnv("LOCKSTEP_DATA", folder);
  vi.stubEnv("LOCKSTEP_CIFAR10_URL", "http://127.0.0.1:1/cifar-10-binary.tar.gz");
  onCleanup(() => void vi.unstubAllEnvs());
});

/** Opens a thread without files, which ends with the test. */
async function open(supply: RecordSupply) {
  const thread = await openBatchThread(config, { supply });
  onTestFinished(() => thread.close());
  return thread;
}

/** Returns a promise and the function that resolves it. */
function deferred<T>() {
  const resolvers: ((value: T) => void)[] = [];
  const promise = new Promise<T>((resolve) => resolvers.push(resolve));
  return { promise, resolve: (value: T) => resolvers[0]?.(value) };
}

test("a batch thread with files does not ask its supply", () => {
  expect(unused.fetched).toEqual([]);
});

test("batches from a supply equal those from files, byte for byte, and each record is fetched once", async () => {
  const supply = new RecordedSupply();
  expect(await batchesOf(config, supply)).toEqual(expected);
  const ids = expected.batches.map(({ sampleIds }) => [...sampleIds]);
  expect(supply.fetched).toEqual([
    ["train", ids[0]],
    ["train", ids[1]],
    ["train", ids[2]],
    ["test", ids[3]],
  ]);
  expect(await batchesOf(config, noSupply())).toEqual(expected); // a second run has them on disk
});

test("a batch thread fetches only a damaged record again", async ({ folder }) => {
  await batchesOf(config, new RecordedSupply());
  const damagedId = defined(defined(expected.batches[0]).sampleIds[3]);
  const file = openSync(join(folder, "cifar10", "records", source.facts.digest, "train.records"), "r+");
  writeSync(file, "damage", damagedId * 3077 + 1000);
  closeSync(file);
  const supply = new RecordedSupply();
  expect((await batchesOf(config, supply)).batches).toEqual(expected.batches);
  expect(supply.fetched).toEqual([["train", [damagedId]]]);
});

test("a batch thread fetches records for later batches while the first waits, and keeps request order", async () => {
  const waiting: (() => void)[] = [];
  const { promise: allAsked, resolve: askedAll } = deferred<void>();
  const supply = new RecordedSupply(
    (split, indexes) =>
      new Promise((resolve) => {
        waiting.push(() => resolve(source.read(split, indexes)));
        if (waiting.length === slices.length) askedAll();
      }),
  );
  const thread = await open(supply);
  for (const slice of slices) thread.request(slice);
  await allAsked;
  for (const reply of waiting.reverse()) reply();
  for (const batch of expected.batches) expect(await thread.next()).toEqual(batch);
});

test("a batch thread rejects a batch whose records cannot be fetched, and then makes the next", async () => {
  const answers: RecordSupply["fetch"][] = [
    () => Promise.reject(new Error("socket hang up")),
    () => {
      throw new LockstepError("ERR_DISCONNECTED", "The coordinator has ended.");
    },
    async () => new Uint8Array(5),
  ];
  const failing = new RecordedSupply((split, indexes) => (answers.shift() ?? fromFiles)(split, indexes));
  const thread = await open(failing);
  for (let i = 0; i < 4; i++) thread.request(first);
  await expect(thread.next()).rejects.toMatchObject({
    name: "LockstepError",
    code: "ERR_RECORDS",
    message: expect.stringMatching(
      /^Expected 8 records of the train files from the coordinator, got an error: socket hang up\./,
    ),
  });
  await expect(thread.next()).rejects.toMatchObject({
    code: "ERR_DISCONNECTED",
    message: "The coordinator has ended.",
  });
  await expect(thread.next()).rejects.toMatchObject({
    code: "ERR_RECORDS",
    message: expect.stringMatching(/got 5 bytes/),
  });
  expect((await thread.next()).samples).toBe(8);
});

test("a batch thread copies records that are part of a larger message", async () => {
  const messages: Uint8Array[] = [];
  const inMessage = new RecordedSupply(async (split, indexes) => {
    const records = source.read(split, indexes);
    const message = Buffer.concat([Buffer.from("head"), records, Buffer.from("tail")]);
    messages.push(message);
    return message.subarray(4, 4 + records.length);
  });
  expect((await batchesOf(config, inMessage)).batches).toEqual(expected.batches);
  expect(messages.map((message) => message.length > 8)).toEqual(slices.map(() => true)); // none was transferred away
});

test("a line says that CIFAR-10 is being read if there are files, and nothing if the records are supplied", async () => {
  const linesOf = async (config: BatchConfig, supply: RecordSupply) => {
    const lines: string[] = [];
    const thread = await openBatchThread(config, { supply, log: (line) => lines.push(line) });
    await thread.close();
    return lines;
  };
  expect(await linesOf({ ...config, dataDir }, noSupply())).toEqual(["reading CIFAR-10"]);
  expect(await linesOf(config, noSupply())).toEqual([]);
});

test("openBatchThread refuses a named folder without files, also with a supply", async ({ folder }) => {
  const empty = join(folder, "empty");
  await expect(openBatchThread({ ...config, dataDir: empty }, { supply: noSupply() })).rejects.toMatchObject({
    code: "ERR_DATA_FILE",
    message: expect.stringContaining(`in ${empty}, but this folder does not exist.`),
  });
});

test("openBatchThread rejects at once if records cannot be cached", async ({ folder }) => {
  writeFileSync(join(folder, "cifar10"), "a file where the folder should be");
  await expect(open(new RecordedSupply())).rejects.toMatchObject({ code: "ERR_RECORD_CACHE" });
});

test("a batch thread closes while it waits for records", async () => {
  const { promise: fetching, resolve: asked } = deferred<void>();
  const { promise: records, resolve: reply } = deferred<Uint8Array>();
  const late = new RecordedSupply(() => {
    asked();
    return records;
  });
  const thread = await open(late);
  thread.request(first);
  const waiting = expect(thread.next()).rejects.toMatchObject({ code: "ERR_BATCH_THREAD" });
  await fetching;
  await thread.close();
  await waiting;
  reply(new Uint8Array(8 * 3073)); // too late, and harmless
});
