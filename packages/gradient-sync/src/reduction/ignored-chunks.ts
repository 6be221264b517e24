/** Counts the ignored chunks of each worker in a step. */
import { LockstepError } from "@lockstep/errors";
import type { WorkerId } from "../protocol/ids.ts";

/**
 * Maximum number of ignored chunks of a worker in one step: chunks of withdrawn attempts and unrequested repetitions.
 * An honest worker sends some when its slices are withdrawn, and a slow one still sends chunks of the step before.
 */
export const MAX_IGNORED_CHUNKS = 2 ** 16;

/** Counts the ignored chunks of each worker. */
export class IgnoredChunks {
  readonly #counts = new Map<WorkerId, number>();

  /** Counts one ignored chunk. @throws LockstepError ERR_CHUNK after more than `MAX_IGNORED_CHUNKS` */
  add(worker: WorkerId): void {
    const ignored = (this.#counts.get(worker) ?? 0) + 1;
    this.#counts.set(worker, ignored);
    if (ignored <= MAX_IGNORED_CHUNKS) return;
    throw new LockstepError(
      "ERR_CHUNK",
      `Expected at most ${MAX_IGNORED_CHUNKS} repeated or withdrawn chunks in a step, got more.`,
    );
  }
}
