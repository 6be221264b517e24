/** Compares a worker's clock with the coordinator's, by one question and its answer. */

/** The offset of a worker's clock: undefined until the worker was asked for its time and has told it. */
export class ClockOffset {
  #askedMs: number | undefined;
  #aheadMs: number | undefined;

  /** How far the worker's clock is ahead of the coordinator's. */
  get aheadMs(): number | undefined {
    return this.#aheadMs;
  }

  /** Notes when the worker was asked, by the coordinator's clock. */
  ask(nowMs: number): void {
    this.#askedMs = nowMs;
  }

  /**
   * Takes the worker's time, which it is assumed to have read half-way between question and answer.
   *
   * @returns whether an answer was awaited
   */
  receive(workerMs: number, nowMs: number): boolean {
    if (this.#askedMs === undefined || this.#aheadMs !== undefined) return false;
    this.#aheadMs = workerMs - (this.#askedMs + nowMs) / 2;
    return true;
  }
}
