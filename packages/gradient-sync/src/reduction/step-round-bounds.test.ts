/** Counts the bytes that a round holds while workers repeat, send too much, or are late. */
import { expect, test } from "vitest";
import { makeLayout } from "../layout/layout.ts";
import { encodeFloats } from "../layout/wire.ts";
import { toStep, toSubtreeId } from "../protocol/ids.ts";
import type { MessageOf } from "../protocol/messages.ts";
import { PlainRound } from "../testing/plain-round.ts";
import { MAX_IGNORED_CHUNKS } from "./ignored-chunks.ts";

/** A matrix that travels as factors of 2 and 3 columns, and 1000 numbers that travel dense, in chunks of 100. */
const LAYOUT = makeLayout(
  [
    { name: "matrix", shape: [2, 3], dtype: "float32" },
    { name: "dense", shape: [1000], dtype: "float32" },
  ],
  { forms: ["factored", "dense"], wire: "fp32", chunkBytes: 400 },
);
const DENSE_BYTES = 4 * 1000;
const ROWS = 50;

function roundOf(subtrees: number): PlainRound {
  const task = { type: "step" as const, epoch: 0, step: toStep(5), start: 0, end: subtrees * ROWS, learningRate: 0.1 };
  const ranges = Array.from({ length: subtrees }, (_, subtree) => ({
    start: subtree * ROWS,
    end: (subtree + 1) * ROWS,
    sliceSamples: [ROWS],
  }));
  return new PlainRound(task, ranges, LAYOUT);
}

function piece(subtree: number, part: number, offset: number, elements = 100, attempt = 0, value = 1) {
  const data = encodeFloats(new Float32Array(elements).fill(value), "fp32");
  return {
    type: "gradient-chunk" as const,
    step: toStep(5),
    subtree: toSubtreeId(subtree),
    attempt,
    part,
    offset,
    ...data,
  };
}

/** All pieces of a contribution: of the dense part, then of the factors, of 100 and 150 numbers. */
function pieces(subtree: number, attempt = 0) {
  const dense = Array.from({ length: 10 }, (_, chunk) => piece(subtree, 0, 100 * chunk, 100, attempt));
  const factors = [
    piece(subtree, 1, 0, 100, attempt),
    piece(subtree, 2, 0, 100, attempt),
    piece(subtree, 2, 100, 50, attempt),
  ];
  return [...dense, ...factors];
}

function contribution(subtree: number, attempt = 0): MessageOf<"contribution"> {
  const label = { type: "contribution" as const, step: toStep(5), subtree: toSubtreeId(subtree), attempt };
  return { ...label, samples: ROWS, lossSum: 1, correct: 0, ms: {}, io: {}, doneMs: 0 };
}

const contribute = (round: PlainRound, worker: number, subtree: number, attempt = 0) => [
  ...pieces(subtree, attempt).flatMap((message) => round.onChunk(worker, message)),
  ...round.onContribution(worker, contribution(subtree, attempt)),
];

test("a round buffers at most a dense part for each subtree, and nothing when it is complete", () => {
  const round = roundOf(8);
  for (let subtree = 0; subtree < 8; subtree++) round.assign(subtree, [subtree]);
  let most = 0;
  for (let subtree = 0; subtree < 8; subtree++) {
    contribute(round, subtree, subtree);
    most = Math.max(most, round.bufferedBytes);
  }
  expect(most).toBe(7 * DENSE_BYTES); // nothing of the last subtree is buffered: it completes each sum
  expect(round.bufferedBytes).toBe(0);
  expect(round.complete).toBe(true);
});

test("a round buffers one more contribution for a second attempt, however often that is sent", () => {
  const round = roundOf(1);
  round.assign(0, [0]);
  round.assign(1, [0]);
  round.onChunk(0, piece(0, 1, 0)); // the first attempt is the primary one
  for (let time = 0; time < 5; time++) for (const message of pieces(0, 1)) round.onChunk(1, message);
  expect(round.bufferedBytes).toBe(DENSE_BYTES + 4 * ROWS * (2 + 3));
  round.onContribution(1, contribution(0, 1));
  expect(round.bufferedBytes).toBe(0);
});

test("a round buffers no messages that are refused, repeated, late or withdrawn", () => {
  const round = roundOf(2);
  round.assign(0, [0]);
  round.assign(1, [1]);
  for (const message of pieces(0)) round.onChunk(0, message);
  const bytesBefore = round.bufferedBytes;
  for (const message of pieces(0)) round.onChunk(0, message); // again
  for (const message of pieces(0)) round.onChunk(0, { ...message, step: toStep(4) }); // of the step before
  round.onChunk(1, piece(1, 0, 0));
  round.onChunk(1, piece(1, 0, 100, 100, 0, Number.NaN)); // withdraws it all
  for (const message of pieces(1)) round.onChunk(1, message); // too late
  expect(round.bufferedBytes).toBeLessThanOrEqual(bytesBefore);
});

/** Returns a round in which the second worker fails after all sums have been sent, so that they must be sent again. */
function roundWithSumsToMakeAgain(): PlainRound {
  const round = roundOf(2);
  round.assign(0, [0]);
  round.assign(1, [1]);
  contribute(round, 0, 0);
  for (const message of pieces(1)) round.onChunk(1, message);
  const out = round.onContribution(1, { ...contribution(1), samples: 1 });
  expect(out.map(({ message }) => message.type)).toEqual(["rejected", "withdrawn"]);
  expect(round.mustResend(0)).toBe(true);
  round.assign(0, [1]);
  contribute(round, 0, 1, 1);
  expect(round.complete).toBe(false);
  return round;
}

test("a step is complete when the pieces that were requested again have arrived", () => {
  const round = roundWithSumsToMakeAgain();
  for (let chunk = 0; chunk < 10; chunk++) round.onChunk(0, piece(0, 0, 100 * chunk));
  expect(round.mustResend(0)).toBe(false);
  expect(round.complete).toBe(true);
});

test("a subtree is computed by another worker if the one that was to send its pieces again is lost", () => {
  const round = roundWithSumsToMakeAgain();
  round.removeWorker(0);
  expect(round.subtrees.map(({ complete }) => complete !== undefined)).toEqual([false, true]);
  round.assign(1, [0]);
  contribute(round, 1, 0, 1);
  expect(round.complete).toBe(true);
  expect(round.totals()).toEqual({ samples: 2 * ROWS, lossSum: 2, correct: 0 });
});

test("a worker that keeps sending useless messages is rejected", () => {
  const round = roundOf(2);
  round.assign(0, [0]);
  round.onChunk(0, piece(0, 0, 0));
  for (let i = 0; i < MAX_IGNORED_CHUNKS; i++) expect(round.onChunk(0, piece(0, 0, 0))).toEqual([]);
  expect(() => round.onChunk(0, piece(0, 0, 0))).toThrow(expect.objectContaining({ code: "ERR_CHUNK" }));
  expect(() => round.onChunk(0, { ...piece(0, 0, 0), step: toStep(4) })).toThrow(
    expect.objectContaining({ code: "ERR_CHUNK" }),
  );
});
