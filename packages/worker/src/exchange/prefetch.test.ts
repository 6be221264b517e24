import { toSliceId, toStep } from "@lockstep/gradient-sync";
import { planSlices } from "@lockstep/run";
import { describe, expect, test } from "vitest";
import { sliceToPrefetch } from "./prefetch.ts";

const meta = { trainSamples: 30 };
/** Step `step` of epoch 2, of 8 samples or what is left, and a worker's share of it. */
function assign(step: number, own: (start: number, end: number) => { start: number; end: number }[]) {
  const [start, end] = [8 * step, Math.min(8 * step + 8, meta.trainSamples)];
  const slices = own(start, end).map((range, slice) => ({ slice: toSliceId(slice), attempt: 0, ...range }));
  const task = { step: toStep(step), epoch: 2, start, end, learningRate: 0.1 };
  return { type: "assign" as const, ...task, slices, sliceSamples: slices.map(({ start, end }) => end - start) };
}
/** The middle one of three workers, with slices of 2. */
const middle = (start: number, end: number) => planSlices(start, end, 3, 2).filter(({ worker }) => worker === 1);
const train = (start: number, end: number, epoch = 2) => ({ split: "train" as const, epoch, start, end });

describe("after a slice of this step comes", () => {
  const two = (start: number) => [
    { start, end: start + 2 },
    { start: start + 4, end: start + 7 },
  ];

  test("the next one of this step's", () => {
    expect(sliceToPrefetch(assign(1, two), meta, train(8, 10))).toEqual(train(12, 15));
  });

  test("after the last of them the same share of the next step's batch, and so on", () => {
    expect(sliceToPrefetch(assign(1, two), meta, train(12, 15))).toEqual(train(16, 18));
    expect(sliceToPrefetch(assign(0, two), meta, train(8, 10))).toEqual(train(12, 15)); // asked for a step ahead
    expect(sliceToPrefetch(assign(0, two), meta, train(12, 15))).toEqual(train(16, 18));
  });

  test("nothing that one could tell at the end of the epoch: its last batch is smaller, the next one is of another order", () => {
    expect(sliceToPrefetch(assign(2, two), meta, train(20, 23))).toBeUndefined();
    expect(
      sliceToPrefetch(
        assign(3, () => [{ start: 24, end: 27 }]),
        meta,
        train(24, 27),
      ),
    ).toBeUndefined();
    const whole = { trainSamples: 32 };
    expect(sliceToPrefetch(assign(2, two), whole, train(20, 23))).toEqual(train(24, 26));
    expect(sliceToPrefetch(assign(2, two), whole, train(28, 31))).toBeUndefined();
  });

  test("the next one of the last batch too, once that was assigned", () => {
    const last = assign(3, (start) => [
      { start, end: start + 1 },
      { start: start + 1, end: start + 3 },
    ]);
    expect(sliceToPrefetch(last, meta, train(24, 25))).toEqual(train(25, 27));
  });

  test("all that a worker will be asked for in an epoch, if shares stay as they are, but for the smaller batch", () => {
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
});

describe("nothing is prefetched", () => {
  const assigned = assign(1, (start, end) => [{ start, end }]);

  test.each([
    ["before anything was assigned", undefined, train(8, 16)],
    ["before anything was asked for", assigned, undefined],
    ["after another's slice, which this worker computes for it", assigned, train(8, 12)],
    ["after one of an earlier step", assigned, train(0, 8)],
    ["after one of another epoch", assigned, train(8, 16, 1)],
    ["after an evaluation", assigned, { ...train(8, 16), split: "validation" as const }],
    ["without a share of this step", assign(1, () => []), train(8, 16)],
  ])("%s", (_, assign, last) => expect(sliceToPrefetch(assign, meta, last)).toBeUndefined());
});
