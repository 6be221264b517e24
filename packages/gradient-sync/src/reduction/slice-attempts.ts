/**
 * The attempts at one slice of a step. The first one that sends anything is the primary attempt: what it sends goes on
 * to the others at once. What further ones send meanwhile is buffered, until one of them takes its place.
 */
import type { SliceId, WorkerId } from "../protocol/ids.ts";
import type { SliceAssignment } from "../protocol/messages.ts";
import type { DenseChunk } from "./dense-sums.ts";
import type { Chunk, Contribution } from "./outgoing.ts";

const NOBODY_FREE = "no worker was free earlier";

/** A checked piece of an attempt: a dense chunk as numbers to add, a chunk of factors as it came. */
export type CheckedPiece = DenseChunk | Chunk;

/** One worker's try to compute a slice. */
export interface Attempt {
  /** Counted from 0 for each slice. */
  readonly attempt: number;
  readonly worker: WorkerId;
  /** Offsets that have come, of each part. */
  readonly received: readonly Set<number>[];
  /** Dense offsets whose sums are made again, and that have not come again. */
  readonly pendingResends: Set<number>;
  /** Pieces that wait for this attempt to become the primary one. */
  buffered: CheckedPiece[];
  contribution?: Contribution;
}

/** An attempt all of whose pieces have come. */
export interface CompleteAttempt {
  attempt: number;
  worker: WorkerId;
  contribution: Contribution;
}

/** A slice, its live attempts, and the workers that have failed at it. */
export class SliceAttempts {
  readonly slice: SliceId;
  /** Samples [start, end) of the epoch's order. */
  readonly start: number;
  readonly end: number;
  /** Live attempts by number. */
  readonly attempts = new Map<number, Attempt>();
  /** Number of attempts so far; also the number of the next one. */
  attemptsMade = 0;
  /** The live attempt whose pieces go on to the others. */
  primary: Attempt | undefined;
  /** Why no attempt is live, when none is; for people. */
  openBecause = NOBODY_FREE;
  /** Workers whose contributions were refused. */
  readonly excludedWorkers = new Set<WorkerId>();
  /** Workers whose numbers were not finite. */
  readonly nonFiniteWorkers = new Set<WorkerId>();

  constructor({ slice, start, end }: { slice: SliceId; start: number; end: number }) {
    this.slice = slice;
    this.start = start;
    this.end = end;
  }

  /** Samples of the slice. */
  get samples(): number {
    return this.end - this.start;
  }

  /** The attempt that has contributed, if one has. */
  get complete(): CompleteAttempt | undefined {
    for (const { attempt, worker, contribution } of this.attempts.values()) {
      if (contribution !== undefined) return { attempt, worker, contribution };
    }
    return undefined;
  }

  /** Begins an attempt. @param parts of the layout */
  begin(worker: WorkerId, parts: number): SliceAssignment {
    const { slice, start, end } = this;
    const attempt = this.attemptsMade++;
    const received = Array.from({ length: parts }, () => new Set<number>());
    this.attempts.set(attempt, { attempt, worker, received, pendingResends: new Set(), buffered: [] });
    return { slice, attempt, start, end };
  }

  /** Tells whether a worker has an attempt that it has not completed. */
  isOpenFor(worker: WorkerId): boolean {
    return [...this.attempts.values()].some((one) => one.worker === worker && one.contribution === undefined);
  }

  /** Returns the workers whose numbers were not finite though another attempt is complete; each of them once. */
  drainNonFiniteWorkers(): WorkerId[] {
    if (this.complete === undefined) return [];
    const workers = [...this.nonFiniteWorkers];
    this.nonFiniteWorkers.clear();
    return workers;
  }

  /** Bytes of buffered pieces. */
  get bufferedBytes(): number {
    const pieces = [...this.attempts.values()].flatMap(({ buffered }) => buffered);
    return pieces.reduce((bytes, piece) => bytes + ("data" in piece ? piece.data : piece.values).byteLength, 0);
  }
}
