/** For tests: a round over three subtrees, and what it sends. */
import { BufferPool } from "../reduction/buffer-pool.ts";
import type { Outgoing } from "../reduction/outgoing.ts";
import { StepAssembly } from "../reduction/step-assembly.ts";
import { PlainRound } from "./plain-round.ts";
import {
  type Chunk,
  chunksOf,
  contributionOf,
  IDS,
  layout,
  receive,
  SAMPLES,
  STEP,
  subtrees,
  task,
} from "./three-subtrees.ts";

/** Shared by all rounds here, so that a message built from a released buffer shows. */
export const pool = new BufferPool();

/** Returns a round where worker k has the first attempt at subtree k. */
export function startedRound(): PlainRound {
  const round = new PlainRound(task, subtrees, layout, { pool });
  for (const subtree of IDS) round.assign(subtree, [subtree]);
  return round;
}

/** Sends chunks of a worker. @returns what the round sends */
export const send = (round: PlainRound, worker: number, chunks: readonly Chunk[]) =>
  chunks.flatMap((chunk) => round.onChunk(worker, chunk));

/** Sends all chunks of an attempt, and its contribution. */
export const contribute = (round: PlainRound, worker: number, subtree: number, attempt = 0) => [
  ...send(round, worker, chunksOf(subtree, attempt)),
  ...round.onContribution(worker, contributionOf(subtree, attempt)),
];

/** Returns the types of messages. */
export const typesOf = (out: readonly Outgoing[]) => out.map(({ message }) => message.type);

/** Returns subtree, attempt and requested offsets of each withdrawal. */
export const withdrawals = (out: readonly Outgoing[]) =>
  out.flatMap(({ message }) =>
    message.type === "withdrawn" ? [[message.subtree, message.attempt, [...message.again].sort()]] : [],
  );

/** Returns the offsets of the sums that were sent. */
export const sumsIn = (out: readonly Outgoing[]) =>
  out.flatMap(({ message }) => (message.type === "update-chunk" && message.part === 0 ? [message.offset] : []));

/** Returns the step as a worker assembles it that receives every broadcast and computes nothing. */
export function receivedStep(round: PlainRound, out: readonly Outgoing[]): Float32Array[] {
  const assembly = new StepAssembly(layout, SAMPLES);
  for (const outgoing of out) if (outgoing.to === "all") receive(assembly, outgoing);
  const { message } = round.commit();
  if (message.type !== "commit") throw new Error(`Expected a commit, got ${message.type}.`);
  return [0, 1, 2].map(assembly.complete(STEP, message.attempts));
}
