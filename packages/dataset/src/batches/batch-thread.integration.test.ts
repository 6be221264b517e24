/** Compares the batches of a real worker thread with those made in this thread. */
import { temporaryFolder } from "@lockstep/testing";
import { afterAll, expect, test } from "vitest";
import { channelStatistics } from "../images/normalize.ts";
import { epochOrder } from "../order.ts";
import { openShapes } from "../shapes.ts";
import { splitTrain } from "../split.ts";
import { makeBatch } from "./batch.ts";
import type { BatchConfig } from "./batch-source.ts";
import { openBatchThread } from "./batch-thread.ts";

const config: BatchConfig = {
  dataset: "shapes",
  height: 32,
  width: 32,
  trainFraction: 0.8,
  seed: 3,
  normalize: "dataset",
  augment: "flip-crop",
  shuffle: true,
};
const shapes = openShapes("train", 32, 32);
const statistics = channelStatistics(shapes);

/** Serves the tests that leave it open and without pending requests. */
const thread = await openBatchThread(config);
afterAll(() => thread.close());

test("openBatchThread reports the facts of its data", () => {
  expect(thread.meta).toEqual({
    dataset: "shapes",
    classes: shapes.classes,
    trainSamples: 8000,
    validationSamples: 2000,
    testSamples: 2000,
    height: 32,
    width: 32,
    channels: 3,
    ...statistics,
  });
});

test("a batch thread makes batches in request order, equal to those made without a thread", async () => {
  thread.request({ split: "train", epoch: 0, start: 0, end: 4 });
  thread.request({ split: "train", epoch: 1, start: 7998, end: 8000 });
  thread.request({ split: "validation", epoch: 1, start: 0, end: 3 });

  const split = splitTrain(10_000, 0.8, 3);
  const made = { seed: 3, normalize: statistics, height: 32, width: 32, records: shapes };
  const train = { ...made, augment: "flip-crop" as const };
  const order = (epoch: number) => epochOrder(split.train, 3, epoch, { shuffle: true });
  expect(await thread.next()).toEqual(makeBatch({ ...train, order: order(0), epoch: 0, start: 0, end: 4 }));
  expect(await thread.next()).toEqual(makeBatch({ ...train, order: order(1), epoch: 1, start: 7998, end: 8000 }));
  const validation = { ...made, order: split.validation, augment: "none" as const };
  expect(await thread.next()).toEqual(makeBatch({ ...validation, epoch: 1, start: 0, end: 3 }));
});

test("a batch thread makes test batches in record order", async () => {
  thread.request({ split: "test", epoch: 1, start: 1, end: 3 });
  expect(await thread.next()).toMatchObject({ sampleIds: Uint32Array.of(1, 2), labels: Int32Array.of(1, 2) });
});

test("a batch thread makes batches while its caller is blocked", async () => {
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
  thread.request({ split: "train", epoch: 0, start: 0, end: 8001 });
  thread.request({ split: "train", epoch: 0, start: 0, end: 1 });
  await expect(thread.next()).rejects.toMatchObject({
    code: "ERR_SLICE",
    message: "Expected a slice inside the 8000 samples of the train split, got [0, 8001).",
  });
  expect((await thread.next()).samples).toBe(1);
});

test("openBatchThread rejects with the thread's error if the data set does not open", async () => {
  await expect(openBatchThread({ ...config, trainFraction: 0 })).rejects.toMatchObject({ code: "ERR_TRAIN_FRACTION" });
});

test("openBatchThread refuses an empty folder of files", async () => {
  const dataDir = temporaryFolder();
  await expect(openBatchThread({ ...config, dataset: "cifar10", dataDir })).rejects.toThrow("but it is empty");
});

test("closing a batch thread rejects pending and later requests", async () => {
  const closing = await openBatchThread({ ...config, normalize: "half" });
  closing.request({ split: "train", epoch: 0, start: 0, end: 8000 });
  const waiting = expect(closing.next()).rejects.toMatchObject({ code: "ERR_BATCH_THREAD" });
  await closing.close();
  await waiting;
  closing.request({ split: "train", epoch: 0, start: 0, end: 1 });
  await expect(closing.next()).rejects.toMatchObject({ code: "ERR_BATCH_THREAD" });
});
