/** One round of a step: sums, second attempts and withdrawals. */
import { at } from "@lockstep/errors";
import { defined } from "@lockstep/testing";
import fc from "fast-check";
import { expect, test } from "vitest";
import { makeLayout } from "../layout/layout.ts";
import { toSubtreeId } from "../protocol/ids.ts";
import { decodeFloats } from "../testing/decode-floats.ts";
import { PlainRound } from "../testing/plain-round.ts";
import { contribute, pool, receivedStep, send, startedRound, sumsIn, withdrawals } from "../testing/started-round.ts";
import {
  chunkOf,
  chunksOf,
  contributionOf,
  IDS,
  layout,
  SAMPLES,
  STEP,
  stepOf,
  subtrees,
  task,
  tensor,
} from "../testing/three-subtrees.ts";

test("assign sends each worker the task, its attempts, and the slices of every subtree", () => {
  const round = new PlainRound(task, subtrees, layout, { pool });
  round.assign(0, [1]);
  const own = [
    { subtree: 0, attempt: 0 },
    { subtree: 1, attempt: 1 },
  ];
  const { type: _, ...fields } = task;
  const sizes = { sliceSamples: SAMPLES, subtreeSlices: [1, 1, 1] };
  expect(round.assign(4, [0, 1])).toEqual({
    to: 4,
    message: { type: "assign", ...fields, attempts: own, ...sizes },
  });
  expect(round.assign(5, [])).toMatchObject({ to: 5, message: { attempts: [], ...sizes } });
});

test("a step has the same sums for any order of its chunks", () => {
  const all = IDS.flatMap((subtree) => chunksOf(subtree));
  fc.assert(
    fc.property(fc.shuffledSubarray(all, { minLength: all.length }), (chunks) => {
      const round = startedRound();
      const out = chunks.flatMap((chunk) => round.onChunk(chunk.subtree, chunk));
      for (const subtree of IDS) {
        expect(round.complete).toBe(false);
        expect(round.onContribution(subtree, contributionOf(subtree))).toEqual([]);
      }
      expect(round.complete).toBe(true);
      expect(receivedStep(round, out)).toEqual(stepOf([0, 0, 0]));
    }),
  );
});

test("a step is committed with the samples, the loss and the correct predictions of all subtrees", () => {
  const round = startedRound();
  for (const subtree of IDS) contribute(round, subtree, subtree);
  const totals = { samples: 6, lossSum: 3, correct: 2 };
  expect(round.totals()).toEqual(totals);
  expect(round.commit()).toEqual({
    to: "all",
    message: { type: "commit", step: STEP, attempts: [0, 0, 0], ...totals },
  });
});

test("a step adds in slice order, not in order of arrival, on which float32 sums would depend", () => {
  const round = startedRound();
  const parts = [2 ** 24, 1, -(2 ** 24)].map((value, subtree) => chunkOf(subtree, 0, 0, 3, value, value));
  const out = [2, 1, 0].flatMap((subtree) => round.onChunk(subtree, at(parts, subtree)));
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

test("a step without dense tensors is complete once all subtrees have contributed", () => {
  const factors = makeLayout([tensor("kernel", 2, 1)], { forms: ["factored"], wire: "fp32", chunkBytes: 12 });
  const round = new PlainRound(task, subtrees.slice(1, 2), factors);
  round.assign(0, [0]);
  round.onChunk(0, chunkOf(0, 0, 1, 0, 1, 2));
  round.onChunk(0, chunkOf(0, 0, 2, 0, 3));
  round.onContribution(0, { ...contributionOf(1), subtree: toSubtreeId(0) });
  expect(round.complete).toBe(true);
});

/** Worker 3 tries subtree 0 too, of which worker 0 has sent its factors and the first of its dense pieces. */
function twice() {
  const round = startedRound();
  const out = send(round, 0, chunksOf(0).slice(0, 1));
  out.push(...send(round, 0, chunksOf(0, 0, [1, 2])));
  for (const subtree of [1, 2]) out.push(...contribute(round, subtree, subtree));
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
  expect(sumsIn(out)).toEqual([0, 3]); // 3 waited only for this subtree
  expect(round.complete).toBe(false);
  for (const subtree of [1, 2]) out.push(...send(round, subtree, chunksOf(subtree, 0, [0]).slice(0, 1)));
  expect(round.complete).toBe(true);
  expect(receivedStep(round, out)).toEqual(stepOf([1, 0, 0]));
});

test("a second attempt replaces the first, with its buffered chunks, if the first's worker disconnects", () => {
  const { round, out } = twice();
  const [first, ...rest] = chunksOf(0, 1);
  send(round, 3, [defined(first)]);
  out.push(...round.removeWorker(0));
  out.push(...send(round, 3, rest), ...round.onContribution(3, contributionOf(0, 1)));
  for (const subtree of [1, 2]) out.push(...send(round, subtree, chunksOf(subtree, 0, [0]).slice(0, 1)));
  expect(receivedStep(round, out)).toEqual(stepOf([1, 0, 0]));
});

test("a second attempt becomes primary if the first has sent nothing", () => {
  const round = startedRound();
  round.assign(3, [0]);
  const out = [1, 2].flatMap((subtree) => contribute(round, subtree, subtree));
  out.push(...contribute(round, 3, 0, 1), ...send(round, 0, chunksOf(0)));
  expect(withdrawals(out)).toEqual([]);
  expect(receivedStep(round, out)).toEqual(stepOf([1, 0, 0]));
});

/** All sums have gone out; worker 0 is lost before its contribution, and worker 3 gets its subtree. */
function withdrawn(others: readonly number[] = [1, 2]) {
  const round = startedRound();
  const out = IDS.flatMap((subtree) => send(round, subtree, chunksOf(subtree)));
  for (const subtree of others) out.push(...round.onContribution(subtree, contributionOf(subtree)));
  out.push(...round.removeWorker(0));
  round.assign(3, [0]);
  return { round, out };
}
const dense = (subtree: number) => chunksOf(subtree, 0, [0]);

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
  const out = IDS.flatMap((subtree) => send(round, subtree, chunksOf(subtree)));
  for (const subtree of [1, 2]) out.push(...round.onContribution(subtree, contributionOf(subtree)));
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
