/** All slices of a step: finds the attempt of a message, and returns the complete attempts. */
import { LockstepError } from "@lockstep/errors";
import type { SliceId, Step, WorkerId } from "../protocol/ids.ts";
import type { Chunk } from "./outgoing.ts";
import { type Attempt, type CompleteAttempt, SliceAttempts } from "./slice-attempts.ts";

/** A slice: samples [start, end) of the epoch's order. */
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
   * Returns the attempt to which a message of this worker belongs; undefined if the attempt no longer counts.
   *
   * @throws LockstepError ERR_ATTEMPT if the attempt is not this worker's
   */
  attemptOf(
    worker: WorkerId,
    { step, slice: index, attempt: number }: Pick<Chunk, "step" | "slice" | "attempt">,
  ): { slice: SliceAttempts; attempt: Attempt } | undefined {
    if (step < this.#step) return undefined; // from a late worker
    const slice = this.all[index];
    if (step === this.#step && slice !== undefined && number < slice.attemptsMade) {
      const attempt = slice.attempts.get(number);
      if (attempt === undefined) return undefined; // withdrawn
      if (attempt.worker === worker) return { slice, attempt };
    }
    throw new LockstepError(
      "ERR_ATTEMPT",
      `Attempt ${number} at slice ${index} of step ${step} is not this worker's; step ${this.#step} is in progress.`,
    );
  }

  /** Returns whether a worker must still resend chunks. */
  mustResend(worker: WorkerId): boolean {
    const attempts = this.all.flatMap((slice) => [...slice.attempts.values()]);
    return attempts.some((attempt) => attempt.worker === worker && attempt.pendingResends.size > 0);
  }

  /** Whether every slice has a complete attempt. */
  get areComplete(): boolean {
    return this.all.every(({ complete }) => complete !== undefined);
  }

  /** Returns the complete attempt of each slice. @throws Error if a slice has none */
  completeAttempts(): CompleteAttempt[] {
    return this.all.map(({ slice, complete }) => {
      if (complete === undefined) throw new Error(`Slice ${slice} of step ${this.#step} is not complete.`);
      return complete;
    });
  }

  /** Number of samples of the global batch. */
  get samples(): number {
    return this.all.reduce((total, { samples }) => total + samples, 0);
  }

  /** Bytes of buffered chunks. */
  get bufferedBytes(): number {
    return this.all.reduce((bytes, slice) => bytes + slice.bufferedBytes, 0);
  }
}
