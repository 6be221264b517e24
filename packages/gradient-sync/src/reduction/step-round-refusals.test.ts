/** Checks the messages that a round of a step ignores, and those that it rejects. */
import { at } from "@lockstep/errors";
import { defined } from "@lockstep/testing";
import { expect, test } from "vitest";
import { toStep, toSubtreeId } from "../protocol/ids.ts";
import type { PlainRound } from "../testing/plain-round.ts";
import {
  contribute,
  receivedStep,
  send,
  startedRound,
  sumsIn,
  typesOf,
  withdrawals,
} from "../testing/started-round.ts";
import { type Chunk, chunkOf, chunksOf, contributionOf, IDS, STEP, stepOf } from "../testing/three-subtrees.ts";
import type { Outgoing } from "./outgoing.ts";

test("chunks and contributions that arrive twice are ignored", () => {
  const round = startedRound();
  const out = IDS.flatMap((subtree) => [
    ...send(round, subtree, chunksOf(subtree)),
    ...send(round, subtree, chunksOf(subtree)),
  ]);
  for (const subtree of IDS) out.push(...round.onContribution(subtree, contributionOf(subtree)));
  const again = IDS.flatMap((subtree) => [
    ...send(round, subtree, chunksOf(subtree)),
    ...round.onContribution(subtree, { ...contributionOf(subtree), lossSum: 99 }),
  ]);
  expect(again).toEqual([]);
  expect(round.totals().lossSum).toBe(3);
  expect(receivedStep(round, out)).toEqual(stepOf([0, 0, 0]));
});

test("a chunk that is requested again is ignored from the second time on", () => {
  const round = startedRound();
  IDS.map((subtree) => send(round, subtree, chunksOf(subtree)));
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
])("an attempt with %s is rejected, and another attempt completes the subtree", (_, code, corrupt) => {
  const round = startedRound();
  const out = [1, 2].flatMap((subtree) => contribute(round, subtree, subtree));
  const [first, ...rest] = chunksOf(0);
  out.push(...round.onChunk(0, defined(first)));
  out.push(...corrupt(round));
  const rejected = out.find(({ message }) => message.type === "rejected");
  expect(rejected).toMatchObject({ to: 0, message: { step: STEP, subtree: 0, attempt: 0, code } });
  expect(withdrawals(out)).toMatchObject([[0, 0, expect.arrayContaining([0])]]);
  expect([...at(round.subtrees, 0).excludedWorkers]).toEqual([0]);
  expect([...at(round.subtrees, 0).nonFiniteWorkers]).toEqual(code === "ERR_NOT_FINITE" ? [0] : []);

  expect([...send(round, 0, rest), ...round.onContribution(0, contributionOf(0))]).toEqual([]); // what was on its way
  round.assign(3, [0]);
  out.push(
    ...contribute(round, 3, 0, 1),
    ...[1, 2].flatMap((subtree) => send(round, subtree, chunksOf(subtree, 0, [0]))),
  );
  expect(receivedStep(round, out)).toEqual(stepOf([1, 0, 0]));
});

test("an invalid chunk of a second attempt is rejected, and the first attempt continues", () => {
  const round = startedRound();
  round.assign(3, [0]);
  const out = send(round, 0, chunksOf(0).slice(0, 1));
  expect(typesOf(round.onChunk(3, chunkOf(0, 1, 0, 0, Number.NaN, 0, 0)))).toEqual(["rejected"]);
  out.push(...send(round, 0, chunksOf(0).slice(1)), ...round.onContribution(0, contributionOf(0)));
  out.push(...[1, 2].flatMap((subtree) => contribute(round, subtree, subtree)));
  expect(receivedStep(round, out)).toEqual(stepOf([0, 0, 0]));
});

/** A chunk of subtree 0 that is not finite. */
const nan = (attempt: number) => chunkOf(0, attempt, 1, 0, Number.NaN, 0, 0);

test("a subtree has not diverged, however many workers find it not finite, because another one may find it finite", () => {
  const round = startedRound();
  for (const worker of [0, 1, 2]) {
    if (worker > 0) round.assign(worker, [0]);
    round.onChunk(worker, nan(worker));
  }
  expect([...at(round.subtrees, 0).nonFiniteWorkers]).toEqual([0, 1, 2]);
  expect(round.complete).toBe(false);
});

test("a sum of losses beyond the range of float32 is refused as not finite", () => {
  const round = startedRound();
  send(round, 1, chunksOf(1));
  const out = round.onContribution(1, { ...contributionOf(1), lossSum: 1e308 });
  expect(out[0]).toMatchObject({ to: 1, message: { type: "rejected", code: "ERR_NOT_FINITE" } });
});

test("a round that is marked as diverged is complete, and its loss is NaN", () => {
  const round = startedRound();
  round.markDiverged();
  expect(round.complete).toBe(true);
  expect(round.totals()).toEqual({ samples: 6, lossSum: Number.NaN, correct: 0 });
});

/** A chunk and a contribution of subtree 0 with a change. */
const of = (change: Partial<Chunk>) => ({
  chunk: { ...chunkOf(0, 0, 0, 0, 1, 2, 3), ...change },
  contribution: { ...contributionOf(0), ...change, type: "contribution" as const },
});

test("a message about an attempt of an earlier step, or about a withdrawn one, is ignored", () => {
  const round = startedRound();
  for (const { chunk, contribution } of [
    of({ step: toStep(STEP - 1) }),
    of({ step: toStep(0), subtree: toSubtreeId(99) }),
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
  ["another worker's subtree", { subtree: toSubtreeId(1) }],
  ["a subtree that there is not", { subtree: toSubtreeId(3) }],
  ["an attempt that there is not", { attempt: 1 }],
])("a message about %s is not this worker's to send", (_, change) => {
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
