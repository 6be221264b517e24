/** Checks which batches are prefetched, with a thread that makes them at once or fails. */
import type { Batch, BatchThread, SliceRequest } from "@lockstep/dataset";
import { toStep } from "@lockstep/gradient-sync";
import type { Task } from "@lockstep/run";
import { expect, test } from "vitest";
import { Batches, evaluationRanges, plannedRequests } from "./batches.ts";

const train = (start: number): SliceRequest => ({ split: "train", epoch: 0, start, end: start + 1 });
const batchOf = (start: number): Batch => ({
  images: new Float32Array(1),
  labels: new Int32Array(1),
  sampleIds: Uint32Array.of(start),
  samples: 1,
  height: 1,
  width: 1,
  channels: 1,
});

/** A thread that makes batches at once, except for those that fail. */
class Thread implements BatchThread {
  readonly meta = {
    dataset: "shapes" as const,
    classes: [],
    trainSamples: 0,
    validationSamples: 0,
    testSamples: 0,
    height: 1,
    width: 1,
    channels: 1,
    mean: [],
    std: [],
  };
  /** Starts of the requested batches, in order. */
  readonly requested: number[] = [];
  readonly fails = new Set<number>();
  #received = 0;

  request({ start }: SliceRequest): void {
    this.requested.push(start);
  }

  async next(): Promise<Batch> {
    const start = this.requested[this.#received++];
    if (start === undefined) throw new Error("Expected a request before each next.");
    if (this.fails.has(start)) throw new Error(`Batch ${start} failed.`);
    return batchOf(start);
  }

  /** Requested and not received. */
  get waiting(): number[] {
    return this.requested.slice(this.#received);
  }

  async close(): Promise<void> {}
}

/** Predicts 10, 11, 12, … before `end`. */
const upTo = (end: number) => (last: SliceRequest | undefined) => {
  const start = last === undefined ? 10 : last.start + 1;
  return start < end ? train(start) : undefined;
};
const startOf = async (batch: Promise<Batch>) => (await batch).sampleIds[0];

test("three batches are prefetched, and one more for each that is used", async () => {
  const thread = new Thread();
  const batches = new Batches(thread, upTo(99));
  expect(thread.requested).toEqual([10, 11, 12]);
  expect(await startOf(batches.next(train(10)))).toBe(10);
  expect(thread.requested).toEqual([10, 11, 12, 13]);
  for (const start of [11, 12, 13]) expect(await startOf(batches.next(train(start)))).toBe(start);
  expect(thread.waiting).toEqual([14, 15, 16]);
});

test("prefetching ends when no further batch is predicted", async () => {
  const thread = new Thread();
  const batches = new Batches(thread, upTo(12));
  for (const start of [10, 11]) expect(await startOf(batches.next(train(start)))).toBe(start);
  expect(thread.waiting).toEqual([]);
});

test("a batch that was not prefetched is requested, and those after it are prefetched", async () => {
  const thread = new Thread();
  const batches = new Batches(thread, (last) => (last === undefined ? undefined : upTo(99)(last)));
  expect(thread.requested).toEqual([]);
  expect(await startOf(batches.next(train(20)))).toBe(20);
  expect(thread.requested).toEqual([20, 21, 22, 23]);
});

test("a batch that was not prefetched replaces the prefetched ones", async () => {
  const thread = new Thread();
  const batches = new Batches(thread, upTo(99));
  expect(await startOf(batches.next(train(40)))).toBe(40);
  expect(thread.waiting).toEqual([41, 42, 43]);
});

test("a skipped batch is dropped, and the prefetched ones after it are kept", async () => {
  const thread = new Thread();
  const batches = new Batches(thread, upTo(99));
  expect(await startOf(batches.next(train(12)))).toBe(12);
  expect(thread.requested).toEqual([10, 11, 12, 13, 14, 15]);
});

test.each<[string, Partial<SliceRequest>]>([
  ["split", { split: "test" }],
  ["epoch", { epoch: 1 }],
  ["end", { end: 99 }],
])("a request that differs only in its %s is another batch", async (_, change) => {
  const thread = new Thread();
  const batches = new Batches(thread, upTo(99));
  await batches.next({ ...train(10), ...change });
  expect(thread.requested.slice(0, 4)).toEqual([10, 11, 12, 10]);
});

test("a batch that fails is an error of its request, and the next one succeeds", async () => {
  const thread = new Thread();
  thread.fails.add(10);
  const batches = new Batches(thread, upTo(99));
  await expect(batches.next(train(10))).rejects.toThrow("Batch 10 failed.");
  expect(await startOf(batches.next(train(11)))).toBe(11);
});

test("a prefetched batch that fails does not affect the request of another", async () => {
  const thread = new Thread();
  for (const start of [10, 11]) thread.fails.add(start);
  const batches = new Batches(thread, upTo(99));
  expect(await startOf(batches.next(train(12)))).toBe(12);
  for (const start of [13, 14, 15]) thread.fails.add(start);
  expect(await startOf(batches.next(train(40)))).toBe(40);
});

test("drain discards all prefetched batches, failed or not, and batches can be requested again", async () => {
  const thread = new Thread();
  thread.fails.add(11);
  const batches = new Batches(thread, upTo(99));
  await batches.drain();
  expect(thread.waiting).toEqual([]);
  expect(await startOf(batches.next(train(10)))).toBe(10);
});

test("the planned requests are all batches of the tasks in order: slices of steps, and ranges of evaluations", () => {
  const step = { type: "step" as const, epoch: 1, step: toStep(0), start: 0, end: 5, learningRate: 0.1 };
  const after = { epoch: 1, step: 1 };
  const tasks: Task[] = [
    step,
    { type: "evaluate", split: "validation", samples: 3, ...after },
    { type: "epoch-end", ...after },
    { type: "checkpoint", ...after },
    { ...step, epoch: 2, start: 5, end: 6 },
  ];
  const next = plannedRequests(tasks, { evaluationRows: 2, sliceRows: 4 });
  const all = Array.from({ length: 6 }, () => next(undefined));
  expect(all).toEqual([
    { split: "train", epoch: 1, start: 0, end: 4 },
    { split: "train", epoch: 1, start: 4, end: 5 },
    { split: "validation", epoch: 0, start: 0, end: 2 },
    { split: "validation", epoch: 0, start: 2, end: 3 },
    { split: "train", epoch: 2, start: 5, end: 6 },
    undefined,
  ]);
});

test("without sliceRows a step has one slice", () => {
  const step = { type: "step" as const, epoch: 0, step: toStep(0), start: 0, end: 5, learningRate: 0.1 };
  expect(plannedRequests([step], { evaluationRows: 2 })(undefined)).toEqual({
    split: "train",
    epoch: 0,
    start: 0,
    end: 5,
  });
});

test.each([
  [0, []],
  [
    4,
    [
      [0, 2],
      [2, 4],
    ],
  ],
  [
    5,
    [
      [0, 2],
      [2, 4],
      [4, 5],
    ],
  ],
])("an evaluation of %i samples has ranges of 2, the last one smaller", (samples, expected) => {
  expect([...evaluationRanges(samples, 2)].map(({ start, end }) => [start, end])).toEqual(expected);
});
