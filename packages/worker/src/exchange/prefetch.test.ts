/** Checks the predicted slices of an epoch of 30 samples by hand, up to its smaller last batch. */
import { at } from "@lockstep/errors";
import { toStep, toSubtreeId } from "@lockstep/gradient-sync";
import { planSlices } from "@lockstep/run";
import { expect, test } from "vitest";
import { sliceToPrefetch } from "./prefetch.ts";

const meta = { trainSamples: 30 };
/** Assigns a worker's slices of step `step` in epoch 2, with 8 samples or the rest. */
function assign(step: number, own: (start: number, end: number) => { start: number; end: number }[]) {
  const [start, end] = [8 * step, Math.min(8 * step + 8, meta.trainSamples)];
  const slices = own(start, end);
  const bounds = [start, ...slices.flatMap((slice) => [slice.start, slice.end]), end];
  // Subtrees of one slice each: those of this worker, and others before, between and after them.
  const sliceSamples = bounds.slice(1).map((bound, index) => bound - at(bounds, index));
  const attempts = slices.map((_, index) => ({ subtree: toSubtreeId(2 * index + 1), attempt: 0 }));
  const task = { step: toStep(step), epoch: 2, start, end, learningRate: 0.1 };
  return { type: "assign" as const, ...task, attempts, sliceSamples, subtreeSlices: sliceSamples.map(() => 1) };
}
/** Returns the slices of 2 samples of the middle one of three workers. */
const middle = (start: number, end: number) => planSlices(start, end, 3, 2).filter(({ worker }) => worker === 1);
const train = (start: number, end: number, epoch = 2) => ({ split: "train" as const, epoch, start, end });

const two = (start: number) => [
  { start, end: start + 2 },
  { start: start + 4, end: start + 7 },
];

test("the slice after one of this step is the next one of this step", () => {
  expect(sliceToPrefetch(assign(1, two), meta, train(8, 10))).toEqual(train(12, 15));
});

test("the slice after the last one is the same share of the next step's batch, and so on", () => {
  expect(sliceToPrefetch(assign(1, two), meta, train(12, 15))).toEqual(train(16, 18));
  expect(sliceToPrefetch(assign(0, two), meta, train(8, 10))).toEqual(train(12, 15)); // prefetched a step ahead
  expect(sliceToPrefetch(assign(0, two), meta, train(12, 15))).toEqual(train(16, 18));
});

test("no slice is predicted across the end of an epoch or into its smaller last batch", () => {
  expect(sliceToPrefetch(assign(2, two), meta, train(20, 23))).toBeUndefined();
  expect(
    sliceToPrefetch(
      assign(3, () => [{ start: 24, end: 27 }]),
      meta,
      train(24, 27),
    ),
  ).toBeUndefined();
  const fullBatches = { trainSamples: 32 };
  expect(sliceToPrefetch(assign(2, two), fullBatches, train(20, 23))).toEqual(train(24, 26));
  expect(sliceToPrefetch(assign(2, two), fullBatches, train(28, 31))).toBeUndefined();
});

test("slices of the last batch are predicted once it is assigned", () => {
  const last = assign(3, (start) => [
    { start, end: start + 1 },
    { start: start + 1, end: start + 3 },
  ]);
  expect(sliceToPrefetch(last, meta, train(24, 25))).toEqual(train(25, 27));
});

test("all slices of an epoch with constant shares are predicted, except for the smaller last batch", () => {
  let prefetched = sliceToPrefetch(assign(0, middle), meta, train(2, 4));
  expect(middle(0, 8)[0]).toMatchObject({ start: 2, end: 4 });
  for (let step = 1; step < 3; step++) {
    for (const { start, end } of middle(8 * step, 8 * step + 8)) {
      expect(prefetched).toEqual(train(start, end));
      prefetched = sliceToPrefetch(assign(step, middle), meta, prefetched);
    }
  }
  expect(prefetched).toBeUndefined();
});

const assigned = assign(1, (start, end) => [{ start, end }]);

test.each([
  ["before the first assignment", undefined, train(8, 16)],
  ["before the first request", assigned, undefined],
  ["after a slice of a disconnected worker", assigned, train(8, 12)],
  ["after a slice of an earlier step", assigned, train(0, 8)],
  ["after a slice of another epoch", assigned, train(8, 16, 1)],
  ["after an evaluation", assigned, { ...train(8, 16), split: "validation" as const }],
  ["without a share of this step", assign(1, () => []), train(8, 16)],
])("nothing is prefetched %s", (_, assign, last) => expect(sliceToPrefetch(assign, meta, last)).toBeUndefined());

test("the slices of a subtree follow one another", () => {
  const { attempts: _, ...task } = assign(1, () => []);
  const subtree = {
    attempts: [{ subtree: toSubtreeId(0), attempt: 0 }],
    sliceSamples: [3, 3, 2],
    subtreeSlices: [2, 1],
  };
  const prefetched = (start: number, end: number) => sliceToPrefetch({ ...task, ...subtree }, meta, train(start, end));
  expect(prefetched(8, 11)).toEqual(train(11, 14));
  expect(prefetched(11, 14)).toEqual(train(16, 19));
});
