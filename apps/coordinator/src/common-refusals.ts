/** Finds out when workers are refused for what the run is, so that no other worker can take part in it either. */
import type { ErrorCode, LockstepError } from "@lockstep/errors";

/**
 * Reasons that lie in the options, the model, or the weights of a run, or in how the coordinator hands them out; others
 * lie in a machine, or pass.
 */
const OF_THE_RUN: readonly ErrorCode[] = [
  "ERR_CHUNK",
  "ERR_MODEL",
  "ERR_MODEL_CHANGED",
  "ERR_MODEL_DATA",
  "ERR_MODEL_REFUSED",
  "ERR_MODEL_SPEC",
  "ERR_NORMALIZE",
  "ERR_PLAN",
  "ERR_STATE_DICT",
  "ERR_TRAIN_FRACTION",
];

export class CommonRefusals {
  readonly #enough: number;
  readonly #counts = new Map<ErrorCode, number>();
  #updates = 0;

  /** @param enough workers that were refused for one reason show that all will be: as many as the run waits for */
  constructor(enough: number) {
    this.#enough = enough;
  }

  /**
   * Notes that a worker was refused, or gave up.
   *
   * @param updates that the run has made: what was refused before the last of them counts no more
   * @returns whether every other worker will meet the same reason
   */
  note({ code }: LockstepError, updates: number): boolean {
    if (updates > this.#updates) this.#counts.clear();
    this.#updates = updates;
    if (!OF_THE_RUN.includes(code)) return false;
    const count = (this.#counts.get(code) ?? 0) + 1;
    this.#counts.set(code, count);
    return count >= this.#enough;
  }
}
