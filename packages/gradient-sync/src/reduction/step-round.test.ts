import { at } from "@lockstep/errors";
import { defined } from "@lockstep/testing";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { makeLayout } from "../layout/layout.ts";
import { decodeFloats } from "../layout/wire.ts";
import { toSliceId, toStep } from "../protocol/ids.ts";
import { PlainRound } from "../testing/plain-round.ts";
import {
  type Chunk,
  chunkOf,
  chunksOf,
  contributionOf,
  layout,
  receive,
  SAMPLES,
  STEP,
  slices,
  stepOf,
  task,
  tensor,
} from "../testing/three-slices.ts";
import { BufferPool } from "./buffer-pool.ts";
import type { Outgoing } from "./outgoing.ts";
import { StepAssembly } from "./step-assembly.ts";

/** Shared by all rounds here, so that a message built from a released buffer shows. */
const pool = new BufferPool();

/** A round where worker k has the first attempt at slice k. */
function startedRound(): PlainRound {
  const round = new PlainRound(task, slices, layout, true, pool);
  for (const { slice } of slices) round.assign(slice, [slice]);
  return round;
}
const send = (round: PlainRound, worker: number, chunks: readonly Chunk[]) =>
  chunks.flatMap((chunk) => round.onChunk(worker, chunk));
/** Sends all chunks of an attempt, and its contribution. */
const contribute = (round: PlainRound, worker: number, slice: number, attempt = 0) => [
  ...send(round, worker, chunksOf(slice, attempt)),
  ...round.onContribution(worker, contributionOf(slice, attempt)),
];
const typesOf = (out: readonly Outgoing[]) => out.map(({ message }) => message.type);
const withdrawals = (out: readonly Outgoing[]) =>
  out.flatMap(({ message }) =>
    message.type === "withdrawn" ? [[message.slice, message.attempt, [...message.again].sort()]] : [],
  );
/** Offsets of the sums that went out. */
const sumsIn = (out: readonly Outgoing[]) =>
  out.flatMap(({ message }) => (message.type === "update-chunk" && message.part === 0 ? [message.offset] : []));

/** Returns the step as a worker assembles it that receives every broadcast and computes nothing. */
function receivedStep(round: PlainRound, out: readonly Outgoing[]): Float32Array[] {
  const assembly = new StepAssembly(layout, SAMPLES);
  for (const outgoing of out) if (outgoing.to === "all") receive(assembly, outgoing);
  const { message } = round.commit();
  if (message.type !== "commit") throw new Error(`Expected a commit, got ${message.type}.`);
  return [0, 1, 2].map(assembly.complete(STEP, message.attempts));
}

test("assign sends each worker the task, its slices, and the number of samples of every slice", () => {
  const round = new PlainRound(task, slices, layout, true, pool);
  round.assign(0, [1]);
  const own = [
    { slice: 0, attempt: 0, start: 10, end: 12 },
    { slice: 1, attempt: 1, start: 12, end: 13 },
  ];
  const { type: _, ...fields } = task;
  expect(round.assign(4, [0, 1])).toEqual({
    to: 4,
    message: { type: "assign", ...fields, slices: own, sliceSamples: SAMPLES },
  });
  expect(round.assign(5, [])).toMatchObject({ to: 5, message: { slices: [], sliceSamples: SAMPLES } });
});

test("a step has the same sums for any order of its chunks", () => {
  const all = slices.flatMap(({ slice }) => chunksOf(slice));
  fc.assert(
    fc.property(fc.shuffledSubarray(all, { minLength: all.length }), (chunks) => {
      const round = startedRound();
      const out = chunks.flatMap((chunk) => round.onChunk(chunk.slice, chunk));
      for (const { slice } of slices) {
        expect(round.complete).toBe(false);
        expect(round.onContribution(slice, contributionOf(slice))).toEqual([]);
      }
      expect(round.complete).toBe(true);
      expect(receivedStep(round, out)).toEqual(stepOf([0, 0, 0]));
    }),
  );
});

test("a step is committed with the samples, the loss and the correct predictions of all slices", () => {
  const round = startedRound();
  for (const { slice } of slices) contribute(round, slice, slice);
  const totals = { samples: 6, lossSum: 3, correct: 2 };
  expect(round.totals()).toEqual(totals);
  expect(round.commit()).toEqual({
    to: "all",
    message: { type: "commit", step: STEP, attempts: [0, 0, 0], ...totals },
  });
});

test("a step adds in slice order, not in order of arrival, on which float32 sums would depend", () => {
  const round = startedRound();
  const parts = [2 ** 24, 1, -(2 ** 24)].map((value, slice) => chunkOf(slice, 0, 0, 3, value, value));
  const out = [2, 1, 0].flatMap((slice) => round.onChunk(slice, at(parts, slice)));
  expect(out).toHaveLength(1);
  const { to, except, message } = at(out, 0);
  expect([to, except]).toEqual(["all", undefined]);
  if (message.type !== "update-chunk") throw new Error(`Expected a sum, got ${message.type}.`);
  expect([...decodeFloats(message, 2, "fp32")]).toEqual([0, 0]); // (2²⁴ + 1) − 2²⁴, and not 2²⁴ + (1 − 2²⁴)
});

test("a step forwards each chunk of factors unchanged and immediately to all workers except its sender", () => {
  const round = startedRound();
  const [chunk] = chunksOf(2, 0, [1]);
  expect(round.onChunk(2, defined(chunk))).toEqual([
    { to: "all", except: 2, message: { ...chunk, type: "update-chunk" } },
  ]);
});

test("a step without dense tensors is complete once all slices have contributed", () => {
  const factors = makeLayout([tensor("kernel", 2, 1)], { forms: ["factored"], wire: "fp32", chunkBytes: 12 });
  const round = new PlainRound(task, slices.slice(1, 2), factors);
  round.assign(0, [0]);
  round.onChunk(0, chunkOf(0, 0, 1, 0, 1, 2));
  round.onChunk(0, chunkOf(0, 0, 2, 0, 3));
  round.onContribution(0, { ...contributionOf(1), slice: toSliceId(0) });
  expect(round.complete).toBe(true);
});

/** Worker 3 tries slice 0 too, of which worker 0 has sent its factors and the first of its dense pieces. */
function twice() {
  const round = startedRound();
  const out = send(round, 0, chunksOf(0).slice(0, 1));
  out.push(...send(round, 0, chunksOf(0, 0, [1, 2])));
  for (const slice of [1, 2]) out.push(...contribute(round, slice, slice));
  round.assign(3, [0]);
  return { round, out };
}

test("a second attempt is buffered while the first is primary, and discarded when the first is complete", () => {
  const { round, out } = twice();
  expect(send(round, 3, chunksOf(0, 1))).toEqual([]);
  out.push(...send(round, 0, chunksOf(0).slice(1)), ...round.onContribution(0, contributionOf(0)));
  expect(withdrawals(out)).toEqual([]);
  expect(round.bufferedBytes).toBe(0);
  expect(round.onContribution(3, contributionOf(0, 1))).toEqual([]);
  expect(receivedStep(round, out)).toEqual(stepOf([0, 0, 0]));
});

test("a second attempt replaces the first if it completes earlier, and the first is withdrawn with its sums", () => {
  const { round, out } = twice();
  out.push(...contribute(round, 3, 0, 1));
  expect(withdrawals(out)).toEqual([[0, 0, [0]]]);
  expect(sumsIn(out)).toEqual([0, 3]); // 3 waited only for this slice
  expect(round.complete).toBe(false);
  for (const slice of [1, 2]) out.push(...send(round, slice, chunksOf(slice, 0, [0]).slice(0, 1)));
  expect(round.complete).toBe(true);
  expect(receivedStep(round, out)).toEqual(stepOf([1, 0, 0]));
});

test("a second attempt replaces the first, with its buffered chunks, if the first's worker disconnects", () => {
  const { round, out } = twice();
  const [first, ...rest] = chunksOf(0, 1);
  send(round, 3, [defined(first)]);
  out.push(...round.removeWorker(0));
  out.push(...send(round, 3, rest), ...round.onContribution(3, contributionOf(0, 1)));
  for (const slice of [1, 2]) out.push(...send(round, slice, chunksOf(slice, 0, [0]).slice(0, 1)));
  expect(receivedStep(round, out)).toEqual(stepOf([1, 0, 0]));
});

test("a second attempt becomes primary if the first has sent nothing", () => {
  const round = startedRound();
  round.assign(3, [0]);
  const out = [1, 2].flatMap((slice) => contribute(round, slice, slice));
  out.push(...contribute(round, 3, 0, 1), ...send(round, 0, chunksOf(0)));
  expect(withdrawals(out)).toEqual([]);
  expect(receivedStep(round, out)).toEqual(stepOf([1, 0, 0]));
});

/** All sums have gone out; worker 0 is lost before its contribution, and worker 3 gets its slice. */
function withdrawn(others: readonly number[] = [1, 2]) {
  const round = startedRound();
  const out = slices.flatMap(({ slice }) => send(round, slice, chunksOf(slice)));
  for (const slice of others) out.push(...round.onContribution(slice, contributionOf(slice)));
  out.push(...round.removeWorker(0));
  round.assign(3, [0]);
  return { round, out };
}
const dense = (slice: number) => chunksOf(slice, 0, [0]);

test("withdrawing a primary attempt announces the sums that included it, which are computed again from resent chunks", () => {
  const { round, out } = withdrawn();
  expect(withdrawals(out)).toEqual([[0, 0, [0, 3]]]);
  out.push(...contribute(round, 3, 0, 1), ...send(round, 1, dense(1)), ...send(round, 2, dense(2).slice(1)));
  expect(round.complete).toBe(false);
  out.push(...send(round, 2, dense(2).slice(0, 1)));
  expect(round.complete).toBe(true);
  expect(receivedStep(round, out)).toEqual(stepOf([1, 0, 0]));
});

test("a contribution may arrive before the chunks that its worker resends after a withdrawal", () => {
  const { round, out } = withdrawn([1]);
  out.push(...contribute(round, 3, 0, 1), ...send(round, 1, dense(1)));
  expect(round.onContribution(2, contributionOf(2))).toEqual([]);
  expect(round.complete).toBe(false);
  out.push(...send(round, 2, dense(2)));
  expect(round.complete).toBe(true);
  expect(receivedStep(round, out)).toEqual(stepOf([1, 0, 0]));
});

test("a second attempt may be withdrawn before all chunks are resent: each is resent once per sum that included it", () => {
  const { round, out } = withdrawn([2]);
  out.push(...send(round, 2, dense(2).slice(0, 1)));
  out.push(...round.removeWorker(1));
  expect(withdrawals(out)).toEqual([
    [0, 0, [0, 3]],
    [1, 0, []],
  ]);
  round.assign(4, [1]);
  out.push(...contribute(round, 3, 0, 1), ...contribute(round, 4, 1, 1), ...send(round, 2, dense(2).slice(1)));
  expect(receivedStep(round, out)).toEqual(stepOf([1, 1, 0]));
});

test("a sum that was computed again can be withdrawn again", () => {
  const { round, out } = withdrawn([2]);
  out.push(...send(round, 3, chunksOf(0, 1)), ...send(round, 1, dense(1)), ...send(round, 2, dense(2).slice(0, 1)));
  out.push(...round.removeWorker(3));
  expect(withdrawals(out).at(-1)).toEqual([0, 1, [0]]);
  round.assign(4, [0]);
  out.push(...contribute(round, 4, 0, 2), ...round.onContribution(1, contributionOf(1)));
  out.push(...send(round, 1, dense(1).slice(0, 1)), ...send(round, 2, dense(2)));
  expect(receivedStep(round, out)).toEqual(stepOf([2, 0, 0]));
});

test("a withdrawal also withdraws complete contributions of disconnected workers, which nobody can resend", () => {
  const round = startedRound();
  const out = slices.flatMap(({ slice }) => send(round, slice, chunksOf(slice)));
  for (const slice of [1, 2]) out.push(...round.onContribution(slice, contributionOf(slice)));
  expect(round.removeWorker(1)).toEqual([]); // it stands, as long as its sums do
  out.push(...round.removeWorker(0));
  expect(withdrawals(out)).toEqual([
    [0, 0, [0, 3]],
    [1, 0, []],
  ]);
  round.assign(2, [0, 1]);
  out.push(...send(round, 2, dense(2)), ...contribute(round, 2, 0, 1), ...contribute(round, 2, 1, 1));
  expect(receivedStep(round, out)).toEqual(stepOf([1, 1, 0]));
});

test("a withdrawal requests no resend if the attempt was in no sum", () => {
  const round = startedRound();
  const out = [...send(round, 0, chunksOf(0)), ...contribute(round, 1, 1), ...round.removeWorker(0)];
  expect(withdrawals(out)).toEqual([[0, 0, []]]);
  round.assign(2, [0]);
  out.push(...contribute(round, 2, 2), ...contribute(round, 2, 0, 1));
  expect(receivedStep(round, out)).toEqual(stepOf([1, 0, 0]));
});

test("removing a worker that has sent nothing sends no message", () =>
  expect(startedRound().removeWorker(0)).toEqual([]));

describe("what comes twice", () => {
  test("is ignored: pieces, and contributions", () => {
    const round = startedRound();
    const out = slices.flatMap(({ slice }) => [
      ...send(round, slice, chunksOf(slice)),
      ...send(round, slice, chunksOf(slice)),
    ]);
    for (const { slice } of slices) out.push(...round.onContribution(slice, contributionOf(slice)));
    const again = slices.flatMap(({ slice }) => [
      ...send(round, slice, chunksOf(slice)),
      ...round.onContribution(slice, { ...contributionOf(slice), lossSum: 99 }),
    ]);
    expect(again).toEqual([]);
    expect(round.totals().lossSum).toBe(3);
    expect(receivedStep(round, out)).toEqual(stepOf([0, 0, 0]));
  });

  test("is ignored although it was asked for again, from the second time on", () => {
    const round = startedRound();
    slices.map(({ slice }) => send(round, slice, chunksOf(slice)));
    round.removeWorker(0);
    round.assign(3, [0]);
    send(round, 3, chunksOf(0, 1));
    const chunk = at(chunksOf(1), 0);
    expect([...round.onChunk(1, chunk), ...round.onChunk(1, chunk)]).toEqual([]);
    expect(sumsIn(send(round, 2, chunksOf(2, 0, [0])))).toEqual([0]);
    const bytesBefore = round.bufferedBytes;
    expect(round.onChunk(1, chunk)).toEqual([]); // its sum has gone out
    expect(round.bufferedBytes).toBe(bytesBefore);
  });
});

const chunk = chunkOf(0, 0, 0, 3, 1, 2);
const sendAll = (round: PlainRound) => send(round, 0, chunksOf(0));
test.each<[string, string, (round: PlainRound) => Outgoing[]]>([
  ["a part that there is not", "ERR_CHUNK", (round) => round.onChunk(0, { ...chunk, part: 3 })],
  ["an offset where no chunk begins", "ERR_CHUNK", (round) => round.onChunk(0, { ...chunk, offset: 1 })],
  ["an offset beyond the part", "ERR_CHUNK", (round) => round.onChunk(0, { ...chunk, offset: 6 })],
  ["too few numbers", "ERR_CHUNK", (round) => round.onChunk(0, chunkOf(0, 0, 0, 3, 1))],
  ["too many numbers", "ERR_CHUNK", (round) => round.onChunk(0, chunkOf(0, 0, 0, 3, 1, 2, 3))],
  ["no whole numbers", "ERR_CHUNK", (round) => round.onChunk(0, { ...chunk, data: chunk.data.subarray(1) })],
  ["NaN", "ERR_NOT_FINITE", (round) => round.onChunk(0, chunkOf(0, 0, 0, 3, 1, Number.NaN))],
  [
    "infinity in a factor",
    "ERR_NOT_FINITE",
    (round) => round.onChunk(0, chunkOf(0, 0, 1, 3, Number.NEGATIVE_INFINITY)),
  ],
  ["a piece missing", "ERR_CONTRIBUTION", (round) => round.onContribution(0, contributionOf(0))],
  [
    "a loss of NaN",
    "ERR_NOT_FINITE",
    (round) => round.onContribution(0, { ...contributionOf(0), lossSum: Number.NaN }),
  ],
  [
    "other samples than asked for",
    "ERR_CONTRIBUTION",
    (round) => [...sendAll(round), ...round.onContribution(0, { ...contributionOf(0), samples: 3 })],
  ],
  [
    "more right answers than samples",
    "ERR_CONTRIBUTION",
    (round) => [...sendAll(round), ...round.onContribution(0, { ...contributionOf(0), correct: 3 })],
  ],
])("an attempt with %s is rejected, and another attempt completes the slice", (_, code, corrupt) => {
  const round = startedRound();
  const out = [1, 2].flatMap((slice) => contribute(round, slice, slice));
  const [first, ...rest] = chunksOf(0);
  out.push(...round.onChunk(0, defined(first)));
  out.push(...corrupt(round));
  const rejected = out.find(({ message }) => message.type === "rejected");
  expect(rejected).toMatchObject({ to: 0, message: { step: STEP, slice: 0, attempt: 0, code } });
  expect(withdrawals(out)).toMatchObject([[0, 0, expect.arrayContaining([0])]]);
  expect([...at(round.slices, 0).excludedWorkers]).toEqual([0]);
  expect([...at(round.slices, 0).nonFiniteWorkers]).toEqual(code === "ERR_NOT_FINITE" ? [0] : []);

  expect([...send(round, 0, rest), ...round.onContribution(0, contributionOf(0))]).toEqual([]); // what was on its way
  round.assign(3, [0]);
  out.push(...contribute(round, 3, 0, 1), ...[1, 2].flatMap((slice) => send(round, slice, chunksOf(slice, 0, [0]))));
  expect(receivedStep(round, out)).toEqual(stepOf([1, 0, 0]));
});

test("an invalid chunk of a second attempt is rejected, and the first attempt continues", () => {
  const round = startedRound();
  round.assign(3, [0]);
  const out = send(round, 0, chunksOf(0).slice(0, 1));
  expect(typesOf(round.onChunk(3, chunkOf(0, 1, 0, 0, Number.NaN, 0, 0)))).toEqual(["rejected"]);
  out.push(...send(round, 0, chunksOf(0).slice(1)), ...round.onContribution(0, contributionOf(0)));
  out.push(...[1, 2].flatMap((slice) => contribute(round, slice, slice)));
  expect(receivedStep(round, out)).toEqual(stepOf([0, 0, 0]));
});

describe("training has come apart", () => {
  const nan = (attempt: number) => chunkOf(0, attempt, 1, 0, Number.NaN, 0, 0);

  test("not because workers find a slice not finite, however many: another one may not", () => {
    const round = startedRound();
    for (const worker of [0, 1, 2]) {
      if (worker > 0) round.assign(worker, [0]);
      round.onChunk(worker, nan(worker));
    }
    expect([...at(round.slices, 0).nonFiniteWorkers]).toEqual([0, 1, 2]);
    expect(round.complete).toBe(false);
  });

  test("no sum of losses is finite that no float32 could be: it would come to infinity with others'", () => {
    const round = startedRound();
    send(round, 1, chunksOf(1));
    const out = round.onContribution(1, { ...contributionOf(1), lossSum: 1e308 });
    expect(out[0]).toMatchObject({ to: 1, message: { type: "rejected", code: "ERR_NOT_FINITE" } });
  });

  test("when it is given up, since no other worker is there", () => {
    const round = startedRound();
    round.markDiverged();
    expect(round.complete).toBe(true);
    expect(round.totals()).toEqual({ samples: 6, lossSum: Number.NaN, correct: 0 });
  });
});

describe("a message about another attempt", () => {
  const of = (change: Partial<Chunk>) => ({
    chunk: { ...chunkOf(0, 0, 0, 0, 1, 2, 3), ...change },
    contribution: { ...contributionOf(0), ...change, type: "contribution" as const },
  });

  test("of an earlier step, or of one that was withdrawn, is ignored", () => {
    const round = startedRound();
    for (const { chunk, contribution } of [
      of({ step: toStep(STEP - 1) }),
      of({ step: toStep(0), slice: toSliceId(99) }),
    ]) {
      expect([round.onChunk(0, chunk), round.onContribution(0, contribution)]).toEqual([[], []]);
    }
    round.removeWorker(0);
    const { chunk, contribution } = of({});
    expect([round.onChunk(0, chunk), round.onContribution(0, contribution)]).toEqual([[], []]);
    expect(round.bufferedBytes).toBe(0);
  });

  test.each([
    ["a step to come", { step: toStep(STEP + 1) }],
    ["another worker's slice", { slice: toSliceId(1) }],
    ["a slice that there is not", { slice: toSliceId(3) }],
    ["an attempt that there is not", { attempt: 1 }],
  ])("of %s is not this worker's to send", (_, change) => {
    const round = startedRound();
    const { chunk, contribution } = of(change);
    const error = expect.objectContaining({
      code: "ERR_ATTEMPT",
      message: expect.stringContaining("step 7 is in progress"),
    });
    expect(() => round.onChunk(0, chunk)).toThrow(error);
    expect(() => round.onContribution(0, contribution)).toThrow(error);
    expect(round.bufferedBytes).toBe(0);
  });
});
