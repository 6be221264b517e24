import { rmSync } from "node:fs";
import { afterEach, describe, expect, test } from "vitest";
import { makeBatch } from "./batch.ts";
import type { BatchConfig } from "./batch-source.ts";
import { type BatchThread, openBatchThread } from "./batch-thread.ts";
import { temporaryFolder } from "./cifar10-for-tests.ts";
import { channelStatistics } from "./normalize.ts";
import { epochOrder } from "./order.ts";
import { openShapes } from "./shapes.ts";
import { splitTrain } from "./split.ts";

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
  test("tells what the data are", async () => {
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

  test("gives the batches in the order asked, equal to those made without a thread", async () => {
    thread = await openBatchThread(config);
    thread.request({ part: "train", epoch: 0, start: 0, end: 4 });
    thread.request({ part: "train", epoch: 1, start: 7998, end: 8000 });
    thread.request({ part: "validation", epoch: 1, start: 0, end: 3 });
    thread.request({ part: "test", epoch: 1, start: 1, end: 3 });

    const made = { seed: 3, normalize: half, height: 32, width: 32 };
    const train = { ...made, records: openShapes("train", 32, 32), augment: "flip-crop" as const };
    const order = (epoch: number) => epochOrder(split.train, 3, epoch, { shuffle: true });
    expect(await thread.take()).toEqual(makeBatch({ ...train, order: order(0), epoch: 0, start: 0, end: 4 }));
    expect(await thread.take()).toEqual(makeBatch({ ...train, order: order(1), epoch: 1, start: 7998, end: 8000 }));
    const validation = { ...train, order: split.validation, augment: "none" as const };
    expect(await thread.take()).toEqual(makeBatch({ ...validation, epoch: 1, start: 0, end: 3 }));
    const testBatch = await thread.take();
    expect(testBatch.sampleIds).toEqual(Uint32Array.of(1, 2));
    expect(testBatch.labels).toEqual(Int32Array.of(1, 2));
  });

  test("makes batches while the asking thread is blocked", async () => {
    thread = await openBatchThread(config);
    const requestTwo = () => {
      for (const start of [0, 1000]) thread.request({ part: "train", epoch: 0, start, end: start + 1000 });
    };
    const takeTwoMs = async () => {
      const startMs = performance.now();
      for (let i = 0; i < 2; i++) await thread.take();
      return performance.now() - startMs;
    };
    requestTwo();
    const makingMs = await takeTwoMs();
    requestTwo();
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5 * makingMs); // blocks as native code does
    expect(await takeTwoMs()).toBeLessThan(makingMs / 2);
  });

  test("rejects the take of a slice that is not there, and goes on with the next", async () => {
    thread = await openBatchThread(config);
    thread.request({ part: "train", epoch: 0, start: 0, end: 8001 });
    thread.request({ part: "train", epoch: 0, start: 0, end: 1 });
    await expect(thread.take()).rejects.toMatchObject({
      code: "ERR_SLICE",
      message: "Expected a slice inside the 8000 samples of the train part, got [0, 8001).",
    });
    expect((await thread.take()).samples).toBe(1);
  });

  test("fails with the thread's own error if the data do not open", async () => {
    await expect(openBatchThread({ ...config, trainFraction: 0 })).rejects.toMatchObject({
      code: "ERR_TRAIN_FRACTION",
    });
    const dataDir = temporaryFolder();
    await expect(openBatchThread({ ...config, dataset: "cifar10", dataDir })).rejects.toThrow("found none of them");
    rmSync(dataDir, { recursive: true });
  });

  test("rejects what is still waited for when it is closed, and what is asked later", async () => {
    thread = await openBatchThread(config);
    thread.request({ part: "train", epoch: 0, start: 0, end: 8000 });
    const waiting = expect(thread.take()).rejects.toMatchObject({ code: "ERR_BATCH_THREAD" });
    await thread.close();
    await waiting;
    thread.request({ part: "train", epoch: 0, start: 0, end: 1 });
    await expect(thread.take()).rejects.toMatchObject({ code: "ERR_BATCH_THREAD" });
  });
});
