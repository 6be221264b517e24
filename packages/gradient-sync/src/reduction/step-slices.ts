/** All slices of a step: whose attempt a message is about, and what the contributions come to. */
import { LockstepError } from "@lockstep/errors";
import type { SliceId, Step, WorkerId } from "../protocol/ids.ts";
import type { Chunk } from "./outgoing.ts";
import { type Attempt, type CompleteAttempt, SliceAttempts } from "./slice-attempts.ts";

/** Samples [start, end) of the epoch's order that make a slice. */
export interface SliceRange {
  slice: SliceId;
  start: number;
  end: number;
}

/** The slices of a step, in order. */
export class StepSlices {
  readonly all: readonly SliceAttempts[];
  readonly #step: Step;

  constructor(step: Step, slices: readonly SliceRange[]) {
    this.#step = step;
    this.all = slices.map((slice) => new SliceAttempts(slice));
  }

  /**
   * Returns the attempt that a message of this worker is about; undefined for one that no longer counts.
   *
   * @throws LockstepError ERR_ATTEMPT for one that is not this worker's
   */
  attemptOf(
    worker: WorkerId,
    { step, slice: index, attempt: number }: Pick<Chunk, "step" | "slice" | "attempt">,
  ): { slice: SliceAttempts; attempt: Attempt } | undefined {
    if (step < this.#step) return undefined; // from a worker that was too late
    const slice = this.all[index];
    if (step === this.#step && slice !== undefined && number < slice.attemptsMade) {
      const attempt = slice.attempts.get(number);
      if (attempt === undefined) return undefined; // withdrawn
      if (attempt.worker === worker) return { slice, attempt };
    }
    throw new LockstepError(
      "ERR_ATTEMPT",
      `Attempt ${number} at slice ${index} of step ${step} is not this worker's; step ${this.#step} is under way.`,
    );
  }

  /** Tells whether a worker was asked for pieces again, and has not sent them. */
  mustResend(worker: WorkerId): boolean {
    const attempts = this.all.flatMap((slice) => [...slice.attempts.values()]);
    return attempts.some((attempt) => attempt.worker === worker && attempt.pendingResends.size > 0);
  }

  /** Whether each slice has a complete attempt. */
  get areComplete(): boolean {
    return this.all.every(({ complete }) => complete !== undefined);
  }

  /** Returns the complete attempt at each slice. @throws Error if a slice has none */
  completeAttempts(): CompleteAttempt[] {
    return this.all.map(({ slice, complete }) => {
      if (complete === undefined) throw new Error(`Slice ${slice} of step ${this.#step} is not complete.`);
      return complete;
    });
  }

  /** Samples of the global batch. */
  get samples(): number {
    return this.all.reduce((total, { samples }) => total + samples, 0);
  }

  /** Bytes of buffered pieces. */
  get bufferedBytes(): number {
    return this.all.reduce((bytes, slice) => bytes + slice.bufferedBytes, 0);
  }
}
