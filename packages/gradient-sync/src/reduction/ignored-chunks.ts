/** Counts the chunks of each worker that were of no use in a step. */
import { LockstepError } from "@lockstep/errors";
import type { WorkerId } from "../protocol/ids.ts";

/**
 * Most chunks of a worker in one step that are ignored: those of attempts that were withdrawn, or a repetition of what
 * was not asked for again. An honest worker sends some when slices of its are withdrawn, and a slow one those of a step
 * before.
 */
export const MAX_IGNORED_CHUNKS = 2 ** 16;

/** Counts the ignored chunks of each worker. */
export class IgnoredChunks {
  readonly #counts = new Map<WorkerId, number>();

  /** Counts one more. @throws LockstepError ERR_CHUNK for more than `MAX_IGNORED_CHUNKS` */
  add(worker: WorkerId): void {
    const ignored = (this.#counts.get(worker) ?? 0) + 1;
    this.#counts.set(worker, ignored);
    if (ignored <= MAX_IGNORED_CHUNKS) return;
    throw new LockstepError(
      "ERR_CHUNK",
      `More than ${MAX_IGNORED_CHUNKS} chunks in a step were repetitions, or of attempts that no longer count.`,
    );
  }
}
