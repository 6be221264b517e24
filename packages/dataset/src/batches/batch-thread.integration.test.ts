import { closeSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { LockstepError } from "@lockstep/errors";
import { defined } from "@lockstep/testing";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { openRecordSource, type RecordSource } from "../cifar10/record-source.ts";
import { channelStatistics } from "../images/normalize.ts";
import { epochOrder } from "../order.ts";
import type { RecordSplit, RecordSupply } from "../records/record-supply.ts";
import { openShapes } from "../shapes.ts";
import { splitTrain } from "../split.ts";
import { temporaryFolder, writeVariedCifar10 } from "../testing/cifar10-for-tests.ts";
import { type Batch, makeBatch } from "./batch.ts";
import type { BatchConfig, SliceRequest } from "./batch-source.ts";
import { type BatchThread, openBatchThread } from "./batch-thread.ts";

const config: BatchConfig = {
  dataset: "shapes",
  height: 32,
  width: 32,
  trainFraction: 0.8,
  seed: 3,
  normalize: "half",
  augment: "flip-crop",
  shuffle: true,
};
const half = { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] };
const split = splitTrain(10_000, 0.8, 3);

let thread: BatchThread;
afterEach(() => thread?.close());

describe("openBatchThread", () => {
  test("openBatchThread reports the facts of its data", async () => {
    thread = await openBatchThread({ ...config, normalize: "dataset" });
    expect(thread.meta).toEqual({
      dataset: "shapes",
      classes: openShapes("train", 32, 32).classes,
      trainSamples: 8000,
      validationSamples: 2000,
      testSamples: 2000,
      height: 32,
      width: 32,
      channels: 3,
      ...channelStatistics(openShapes("train", 32, 32)),
    });
  });

  test("a batch thread makes batches in request order, equal to those made without a thread", async () => {
    thread = await openBatchThread(config);
    thread.request({ split: "train", epoch: 0, start: 0, end: 4 });
    thread.request({ split: "train", epoch: 1, start: 7998, end: 8000 });
    thread.request({ split: "validation", epoch: 1, start: 0, end: 3 });
    thread.request({ split: "test", epoch: 1, start: 1, end: 3 });

    const made = { seed: 3, normalize: half, height: 32, width: 32 };
    const train = { ...made, records: openShapes("train", 32, 32), augment: "flip-crop" as const };
    const order = (epoch: number) => epochOrder(split.train, 3, epoch, { shuffle: true });
    expect(await thread.next()).toEqual(makeBatch({ ...train, order: order(0), epoch: 0, start: 0, end: 4 }));
    expect(await thread.next()).toEqual(makeBatch({ ...train, order: order(1), epoch: 1, start: 7998, end: 8000 }));
    const validation = { ...train, order: split.validation, augment: "none" as const };
    expect(await thread.next()).toEqual(makeBatch({ ...validation, epoch: 1, start: 0, end: 3 }));
    const testBatch = await thread.next();
    expect(testBatch.sampleIds).toEqual(Uint32Array.of(1, 2));
    expect(testBatch.labels).toEqual(Int32Array.of(1, 2));
  });

  test("a batch thread makes batches while its caller is blocked", async () => {
    thread = await openBatchThread(config);
    const requestTwo = () => {
      for (const start of [0, 1000]) thread.request({ split: "train", epoch: 0, start, end: start + 1000 });
    };
    const twoBatchesMs = async () => {
      const startMs = performance.now();
      for (let i = 0; i < 2; i++) await thread.next();
      return performance.now() - startMs;
    };
    requestTwo();
    const makingMs = await twoBatchesMs();
    requestTwo();
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5 * makingMs); // blocks as native code does
    expect(await twoBatchesMs()).toBeLessThan(makingMs / 2);
  });

  test("a batch thread rejects a slice outside the split, and then makes the next batch", async () => {
    thread = await openBatchThread(config);
    thread.request({ split: "train", epoch: 0, start: 0, end: 8001 });
    thread.request({ split: "train", epoch: 0, start: 0, end: 1 });
    await expect(thread.next()).rejects.toMatchObject({
      code: "ERR_SLICE",
      message: "Expected a slice inside the 8000 samples of the train split, got [0, 8001).",
    });
    expect((await thread.next()).samples).toBe(1);
  });

  test("openBatchThread rejects with the thread's error if the data set does not open", async () => {
    await expect(openBatchThread({ ...config, trainFraction: 0 })).rejects.toMatchObject({
      code: "ERR_TRAIN_FRACTION",
    });
    const dataDir = temporaryFolder();
    await expect(openBatchThread({ ...config, dataset: "cifar10", dataDir })).rejects.toThrow("but it is empty");
    rmSync(dataDir, { recursive: true });
  });

  test("closing a batch thread rejects pending and later requests", async () => {
    thread = await openBatchThread(config);
    thread.request({ split: "train", epoch: 0, start: 0, end: 8000 });
    const waiting = expect(thread.next()).rejects.toMatchObject({ code: "ERR_BATCH_THREAD" });
    await thread.close();
    await waiting;
    thread.request({ split: "train", epoch: 0, start: 0, end: 1 });
    await expect(thread.next()).rejects.toMatchObject({ code: "ERR_BATCH_THREAD" });
  });
});

describe("openBatchThread without files and with a supply", () => {
  const cifar10: BatchConfig = { ...config, dataset: "cifar10", normalize: "dataset" };
  const slices: SliceRequest[] = [
    { split: "train", epoch: 0, start: 0, end: 8 },
    { split: "validation", epoch: 0, start: 9_990, end: 10_000 },
    { split: "train", epoch: 1, start: 39_990, end: 40_000 },
    { split: "test", epoch: 1, start: 5, end: 9 },
  ];
  let root: string;
  let dataDir: string;
  let source: RecordSource;
  let fetched: [RecordSplit, number[]][];

  beforeAll(async () => {
    dataDir = writeVariedCifar10(temporaryFolder());
    source = defined(await openRecordSource("cifar10", { dataDir }));
  });
  afterAll(() => {
    source.close();
    rmSync(dataDir, { recursive: true });
  });
  beforeEach(() => {
    root = temporaryFolder();
    vi.stubEnv("LOCKSTEP_DATA", root);
    vi.stubEnv("LOCKSTEP_CIFAR10_URL", "http://127.0.0.1:1/cifar-10-binary.tar.gz");
    fetched = [];
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    rmSync(root, { recursive: true });
  });

  const supply = (
    fetch: RecordSupply["fetch"] = async (split, indexes) => source.read(split, indexes),
  ): RecordSupply => ({
    facts: source.facts,
    fetch(split, indexes) {
      fetched.push([split, [...indexes]]);
      return fetch(split, indexes);
    },
  });
  const noSupply = () => supply(() => Promise.reject(new Error("nothing should be fetched")));

  /** Asks for the slices all at once and takes their batches; then ends the thread. */
  async function batchesOf(config: BatchConfig, supply?: RecordSupply) {
    thread = await openBatchThread(config, { supply });
    for (const slice of slices) thread.request(slice);
    const batches: Batch[] = [];
    for (const _ of slices) batches.push(await thread.next());
    await thread.close();
    return { meta: thread.meta, batches };
  }

  test("batches from a supply equal those from files, byte for byte, and each record is fetched once", async () => {
    const expected = await batchesOf({ ...cifar10, dataDir }, noSupply());
    expect(fetched).toEqual([]); // with files the supply is not asked
    expect(await batchesOf(cifar10, supply())).toEqual(expected);
    const ids = (batch: number) => [...defined(expected.batches[batch]).sampleIds];
    expect(fetched).toEqual([
      ["train", ids(0)],
      ["train", ids(1)],
      ["train", ids(2)],
      ["test", ids(3)],
    ]);
    expect(await batchesOf(cifar10, noSupply())).toEqual(expected); // a second run has them on disk
  });

  test("a batch thread fetches only a damaged record again", async () => {
    const { batches } = await batchesOf(cifar10, supply());
    const damagedId = defined(defined(batches[0]).sampleIds[3]);
    const path = join(root, "cifar10", "records", source.facts.digest, "train.records");
    const file = openSync(path, "r+");
    writeSync(file, "damage", damagedId * 3077 + 1000);
    closeSync(file);
    fetched = [];
    expect((await batchesOf(cifar10, supply())).batches).toEqual(batches);
    expect(fetched).toEqual([["train", [damagedId]]]);
  });

  test("a batch thread fetches records for later batches while the first waits, and keeps request order", async () => {
    const { batches } = await batchesOf({ ...cifar10, dataDir });
    const waiting: (() => void)[] = [];
    let allAsked = () => {};
    const asked = new Promise<void>((resolve) => {
      allAsked = resolve;
    });
    const fetch: RecordSupply["fetch"] = (split, indexes) =>
      new Promise((resolve) => {
        waiting.push(() => resolve(source.read(split, indexes)));
        if (waiting.length === slices.length) allAsked();
      });
    thread = await openBatchThread(cifar10, { supply: supply(fetch) });
    for (const slice of slices) thread.request(slice);
    await asked;
    for (const reply of waiting.reverse()) reply();
    for (const batch of batches) expect(await thread.next()).toEqual(batch);
  });

  test("a batch thread rejects a batch whose records cannot be fetched, and then makes the next", async () => {
    const answers: RecordSupply["fetch"][] = [
      () => Promise.reject(new Error("socket hang up")),
      () => {
        throw new LockstepError("ERR_DISCONNECTED", "The coordinator has ended.");
      },
      async () => new Uint8Array(5),
    ];
    const failing = supply((split, indexes) => (answers.shift() ?? supply().fetch)(split, indexes));
    thread = await openBatchThread(cifar10, { supply: failing });
    for (let i = 0; i < 4; i++) thread.request(defined(slices[0]));
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
    const inMessage = supply(async (split, indexes) => {
      const records = source.read(split, indexes);
      const message = Buffer.concat([Buffer.from("head"), records, Buffer.from("tail")]);
      messages.push(message);
      return message.subarray(4, 4 + records.length);
    });
    const { batches } = await batchesOf(cifar10, inMessage);
    expect(batches).toEqual((await batchesOf({ ...cifar10, dataDir })).batches);
    expect(messages.map((message) => message.length > 8)).toEqual(slices.map(() => true)); // none was transferred away
  });

  test("openBatchThread refuses a named folder without files, also with a supply", async () => {
    const empty = join(root, "empty");
    await expect(openBatchThread({ ...cifar10, dataDir: empty }, { supply: noSupply() })).rejects.toMatchObject({
      code: "ERR_DATA_FILE",
      message: expect.stringContaining(`in ${empty}, but this folder does not exist.`),
    });
  });

  test("openBatchThread rejects at once if records cannot be cached", async () => {
    writeFileSync(join(root, "cifar10"), "a file where the folder should be");
    await expect(openBatchThread(cifar10, { supply: supply() })).rejects.toMatchObject({ code: "ERR_RECORD_CACHE" });
  });

  test("a batch thread closes while it waits for records", async () => {
    let asked = () => {};
    const fetching = new Promise<void>((resolve) => {
      asked = resolve;
    });
    let reply = (_: Uint8Array) => {};
    const late = supply(() => {
      asked();
      return new Promise((resolve) => {
        reply = resolve;
      });
    });
    thread = await openBatchThread(cifar10, { supply: late });
    thread.request(defined(slices[0]));
    const waiting = expect(thread.next()).rejects.toMatchObject({ code: "ERR_BATCH_THREAD" });
    await fetching;
    await thread.close();
    await waiting;
    reply(new Uint8Array(8 * 3073)); // too late, and harmless
  });
});
