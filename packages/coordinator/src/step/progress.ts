/** The progress of a run: the number of committed updates and the time of the last one. */

/** Counts committed updates and measures the time from one to the next. */
export class Progress {
  readonly #nowMs: () => number;
  #updatesMade = 0;
  #maxUpdatesMade = 0;
  #sinceMs: number;

  /** @param nowMs a monotonic clock, in milliseconds */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
    this.#sinceMs = nowMs();
  }

  /** Number of committed updates. */
  get updatesMade(): number {
    return this.#updatesMade;
  }

  /** Largest number of updates ever committed; resuming from a checkpoint undoes later ones. */
  get maxUpdatesMade(): number {
    return this.#maxUpdatesMade;
  }

  /** Time at which the current step began, in milliseconds. */
  get stepSinceMs(): number {
    return this.#sinceMs;
  }

  /** Records that the weights are those after this many updates. */
  resumeAt(updates: number): void {
    this.#updatesMade = updates;
  }

  /** Records the commit of a step at this time. */
  commit(step: number, atMs: number): void {
    this.#updatesMade = step + 1;
    this.#maxUpdatesMade = Math.max(this.#maxUpdatesMade, this.#updatesMade);
    this.#sinceMs = atMs;
  }

  /** Restarts the measurement, so that the time until now counts for no step. */
  skipTime(): void {
    this.#sinceMs = this.#nowMs();
  }
}
