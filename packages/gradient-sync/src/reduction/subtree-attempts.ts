/**
 * The attempts at one subtree of a step: slices that one worker computes and adds, and sends as one contribution. The
 * first attempt that sends anything is the primary one: its chunks are forwarded immediately. Chunks of further
 * attempts are buffered until one of them becomes the primary attempt.
 */
import type { SubtreeId, WorkerId } from "../protocol/ids.ts";
import type { AttemptId } from "../protocol/messages.ts";
import type { DenseChunk } from "./dense-sums.ts";
import type { Chunk, Contribution } from "./outgoing.ts";

const NOBODY_FREE = "no worker was available earlier";

/** A checked chunk of an attempt: a decoded dense chunk, or an encoded chunk of factors. */
export type CheckedPiece = DenseChunk | Chunk;

/** One worker's attempt to compute a subtree. */
export interface Attempt {
  /** Number of the attempt, from 0 for each subtree. */
  readonly number: number;
  readonly worker: WorkerId;
  /** Received offsets of each part. */
  readonly received: readonly Set<number>[];
  /** Dense offsets that the worker must resend and has not resent yet. */
  readonly pendingResends: Set<number>;
  /** Chunks to forward when this attempt becomes the primary one. */
  buffered: CheckedPiece[];
  contribution?: Contribution;
}

/** An attempt whose chunks and contribution have all arrived. */
export interface CompleteAttempt {
  number: number;
  worker: WorkerId;
  contribution: Contribution;
}

/** Slices of a step that are computed as one: a subtree of the tree over all slices. */
export interface SubtreeRange {
  /** Samples [start, end) of the epoch's order. */
  start: number;
  end: number;
  /** Number of samples of each of its slices. */
  sliceSamples: readonly number[];
}

/** A subtree, its live attempts, and the workers that failed to compute it. */
export class SubtreeAttempts {
  readonly id: SubtreeId;
  /** Samples [start, end) of the epoch's order. */
  readonly start: number;
  readonly end: number;
  /** Number of samples of each of its slices. */
  readonly sliceSamples: readonly number[];
  /** Live attempts, by number. */
  readonly attempts = new Map<number, Attempt>();
  /** Number of attempts so far, which is also the number of the next attempt. */
  attemptsMade = 0;
  /** The live attempt whose chunks are forwarded. */
  primary: Attempt | undefined;
  /** Human-readable reason for which the subtree has no live attempt. */
  pendingReason = NOBODY_FREE;
  /** Workers whose contributions were rejected. */
  readonly excludedWorkers = new Set<WorkerId>();
  /** Workers that sent NaN or infinity. */
  readonly nonFiniteWorkers = new Set<WorkerId>();

  constructor(id: SubtreeId, { start, end, sliceSamples }: SubtreeRange) {
    this.id = id;
    this.start = start;
    this.end = end;
    this.sliceSamples = sliceSamples;
  }

  /** Number of samples of the subtree. */
  get samples(): number {
    return this.end - this.start;
  }

  /** The attempt with a contribution, or undefined. */
  get complete(): CompleteAttempt | undefined {
    for (const { number, worker, contribution } of this.attempts.values()) {
      if (contribution !== undefined) return { number, worker, contribution };
    }
    return undefined;
  }

  /** Starts an attempt. @param parts number of parts of the layout */
  begin(worker: WorkerId, parts: number): AttemptId {
    const number = this.attemptsMade++;
    const received = Array.from({ length: parts }, () => new Set<number>());
    this.attempts.set(number, { number, worker, received, pendingResends: new Set(), buffered: [] });
    return { subtree: this.id, attempt: number };
  }

  /** Returns whether a worker has an incomplete attempt. */
  isOpenFor(worker: WorkerId): boolean {
    return [...this.attempts.values()].some((one) => one.worker === worker && one.contribution === undefined);
  }

  /** Returns and clears the workers that sent NaN or infinity, once another attempt is complete. */
  drainNonFiniteWorkers(): WorkerId[] {
    if (this.complete === undefined) return [];
    const workers = [...this.nonFiniteWorkers];
    this.nonFiniteWorkers.clear();
    return workers;
  }

  /** Bytes of buffered chunks. */
  get bufferedBytes(): number {
    const pieces = [...this.attempts.values()].flatMap(({ buffered }) => buffered);
    return pieces.reduce((bytes, piece) => bytes + ("data" in piece ? piece.data : piece.values).byteLength, 0);
  }
}
