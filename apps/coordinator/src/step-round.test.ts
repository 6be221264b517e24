import { decodeFloats, encodeFloats, makeLayout } from "@lockstep/gradient-sync";
import { planSlices } from "@lockstep/run";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Outgoing, StepRound } from "./step-round.ts";

// One factored tensor [2, 1] and a dense one of 3 elements; 4 samples on two workers, 2 each.
const layout = makeLayout(
  [
    { name: "kernel", shape: [2, 1] },
    { name: "bias", shape: [3] },
  ],
  ["factored", "dense"],
);
const newRound = () => new StepRound(7, planSlices(0, 4, 2), layout, "fp32");
const bytes = (...values: number[]) => encodeFloats(Float32Array.from(values), "fp32");
const chunk = (slice: number, part: number, offset: number, ...values: number[]) => ({
  ...{ type: "gradient-chunk" as const, step: 7, slice, attempt: 0, part, offset },
  data: bytes(...values),
});
const contribution = (slice: number) => ({
  ...{ type: "contribution" as const, step: 7, slice, attempt: 0, samples: 2 },
  ...{ lossSum: 1.5 + slice, correct: slice, ms: { forward: slice } },
});
const chunksOf = (slice: number) => [
  chunk(slice, 1, 0, 1, 2, 3, 4),
  chunk(slice, 2, 0, 5, 6),
  chunk(slice, 0, 0, 10 + slice),
  chunk(slice, 0, 1, 20, 30 + slice),
];

describe("StepRound", () => {
  test("sums the dense part for all, forwards factors to the others, and ends with the last contribution", () => {
    fc.assert(
      // Which worker's next message comes first does not matter.
      fc.property(fc.shuffledSubarray([0, 0, 0, 0, 1, 1, 1, 1], { minLength: 8 }), (turns) => {
        const round = newRound();
        const queues = [chunksOf(0), chunksOf(1)];
        const out = turns
          .map((worker) => round.onChunk(worker, queues[worker]!.shift()!))
          .filter((sent) => sent !== undefined);
        const sums = out.filter(({ exceptWorker }) => exceptWorker === undefined).map(valuesOf);
        expect(sums.sort()).toEqual([[21], [40, 61]]);
        const forwarded = out.filter(({ exceptWorker }) => exceptWorker === 0).map(valuesOf);
        expect(forwarded).toEqual([
          [1, 2, 3, 4],
          [5, 6],
        ]);
        expect(round.onContribution(0, contribution(0))).toBe(false);
        expect(round.onContribution(1, contribution(1))).toBe(true);
        expect(round.totals()).toEqual({ samples: 4, lossSum: 4, correct: 1 });
      }),
    );
  });

  test.each([
    ["another step's chunk", (round: StepRound) => round.onChunk(0, { ...chunk(0, 0, 0, 1), step: 6 })],
    ["a chunk of another worker's slice", (round: StepRound) => round.onChunk(0, chunk(1, 0, 0, 1))],
    ["a chunk twice", (round: StepRound) => [0, 1].map(() => round.onChunk(0, chunk(0, 1, 0, 1, 2)))],
    ["a chunk beyond its part", (round: StepRound) => round.onChunk(0, chunk(0, 0, 0, 1, 2, 3, 4))],
    ["a part that there is not", (round: StepRound) => round.onChunk(0, chunk(0, 9, 0, 1))],
    [
      "bytes that are no whole number",
      (round: StepRound) => round.onChunk(0, { ...chunk(0, 0, 0, 1), data: new Uint8Array(3) }),
    ],
    ["a contribution before all of it has come", (round: StepRound) => round.onContribution(0, contribution(0))],
  ])("refuses %s", (_, act) => expect(() => act(newRound())).toThrow(/^(Expected|Slice|The contribution)/));
});

function valuesOf({ message }: Outgoing): number[] {
  if (message.type !== "update-chunk") throw new Error(`Expected an update chunk, got ${message.type}.`);
  return [...decodeFloats(message.data, "fp32")];
}
