/** Tests how the batch and the learning rate grow with the workers. */
import { expect, test } from "vitest";
import { scaleForWorkers } from "./weak-scaling.ts";

test("without --batch-size-per-worker nothing changes with the workers", () => {
  const explicit = { batchSize: "64", lr: "0.1" };
  expect(scaleForWorkers(explicit, { workers: 8, lrScaling: "none" })).toEqual(explicit);
});

test("the batch grows with the workers, and the learning rate only with --lr-scaling linear, with a warm-up", () => {
  const three = { workers: 3, batchSizePerWorker: 32 };
  expect(scaleForWorkers({ lr: "0.1" }, { ...three, lrScaling: "none" })).toEqual({ lr: "0.1", batchSize: 96 });
  const linear = { ...three, lrScaling: "linear" as const };
  expect(scaleForWorkers({ lr: "0.125" }, linear)).toEqual({ lr: 0.375, batchSize: 96, warmupEpochs: 5 });
  expect(scaleForWorkers({ numEpochs: "2" }, linear)).toMatchObject({ warmupEpochs: 0.5 });
  expect(scaleForWorkers({ warmupEpochs: "0" }, linear)).toMatchObject({ warmupEpochs: "0" });
});

test("contradicting options are refused by name", () => {
  expect(() => scaleForWorkers({}, { workers: 2, lrScaling: "linear" })).toThrow("needs --batch-size-per-worker");
  const both = { workers: 2, batchSizePerWorker: 8, lrScaling: "none" as const };
  expect(() => scaleForWorkers({ batchSize: "16" }, both)).toThrow("got both");
});
