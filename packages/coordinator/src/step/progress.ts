/** How far a run is: the updates that it has made, and when it made the last one. */

/** Counts committed updates, and measures the time from one to the next. */
export class Progress {
  readonly #nowMs: () => number;
  #updatesMade = 0;
  #mostUpdatesMade = 0;
  #sinceMs: number;

  /** @param nowMs a monotonic clock, in milliseconds */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
    this.#sinceMs = nowMs();
  }

  /** Number of updates that all members were told of. */
  get updatesMade(): number {
    return this.#updatesMade;
  }

  /** The most that there ever were: a run that goes on from its checkpoint has undone those after it. */
  get mostUpdatesMade(): number {
    return this.#mostUpdatesMade;
  }

  /** When the step under way began, by the clock in milliseconds. */
  get stepSinceMs(): number {
    return this.#sinceMs;
  }

  /** Notes that the weights are those after this many updates. */
  standAt(updates: number): void {
    this.#updatesMade = updates;
  }

  /** Notes the commit of this step, at this time. */
  commit(step: number, atMs: number): void {
    this.#updatesMade = step + 1;
    this.#mostUpdatesMade = Math.max(this.#mostUpdatesMade, this.#updatesMade);
    this.#sinceMs = atMs;
  }

  /** Starts to measure anew: the time until now belongs to no step. */
  skipTime(): void {
    this.#sinceMs = this.#nowMs();
  }
}
