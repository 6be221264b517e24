/** All subtrees of a step: finds the attempt of a message, and returns the complete attempts. */
import { LockstepError } from "@lockstep/errors";
import { type Step, toSubtreeId, type WorkerId } from "../protocol/ids.ts";
import type { Chunk } from "./outgoing.ts";
import { type Attempt, type CompleteAttempt, SubtreeAttempts, type SubtreeRange } from "./subtree-attempts.ts";

/** The subtrees of a step, in order. */
export class StepSubtrees {
  readonly all: readonly SubtreeAttempts[];
  readonly #step: Step;

  constructor(step: Step, subtrees: readonly SubtreeRange[]) {
    this.#step = step;
    this.all = subtrees.map((range, index) => new SubtreeAttempts(toSubtreeId(index), range));
  }

  /**
   * Returns the attempt to which a message of this worker belongs; undefined if the attempt no longer counts.
   *
   * @throws LockstepError ERR_ATTEMPT if the attempt is not this worker's
   */
  attemptOf(
    worker: WorkerId,
    { step, subtree: index, attempt: number }: Pick<Chunk, "step" | "subtree" | "attempt">,
  ): { subtree: SubtreeAttempts; attempt: Attempt } | undefined {
    if (step < this.#step) return undefined; // from a late worker
    const subtree = this.all[index];
    if (step === this.#step && subtree !== undefined && number < subtree.attemptsMade) {
      const attempt = subtree.attempts.get(number);
      if (attempt === undefined) return undefined; // withdrawn
      if (attempt.worker === worker) return { subtree, attempt };
    }
    throw new LockstepError(
      "ERR_ATTEMPT",
      `Attempt ${number} at subtree ${index} of step ${step} is not this worker's; step ${this.#step} is in progress.`,
    );
  }

  /** Returns whether a worker must still resend chunks. */
  mustResend(worker: WorkerId): boolean {
    const attempts = this.all.flatMap((subtree) => [...subtree.attempts.values()]);
    return attempts.some((attempt) => attempt.worker === worker && attempt.pendingResends.size > 0);
  }

  /** Whether every subtree has a complete attempt. */
  get areComplete(): boolean {
    return this.all.every(({ complete }) => complete !== undefined);
  }

  /** Returns the complete attempt of each subtree. @throws Error if a subtree has none */
  completeAttempts(): CompleteAttempt[] {
    return this.all.map(({ id, complete }) => {
      if (complete === undefined) throw new Error(`Subtree ${id} of step ${this.#step} is not complete.`);
      return complete;
    });
  }

  /** Number of slices of each subtree. */
  get slices(): readonly number[] {
    return this.all.map(({ sliceSamples }) => sliceSamples.length);
  }

  /** Number of samples of the global batch. */
  get samples(): number {
    return this.all.reduce((total, { samples }) => total + samples, 0);
  }

  /** Bytes of buffered chunks. */
  get bufferedBytes(): number {
    return this.all.reduce((bytes, subtree) => bytes + subtree.bufferedBytes, 0);
  }
}
