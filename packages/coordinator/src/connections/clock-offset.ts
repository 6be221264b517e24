/** Measures the offset of a worker's clock from the coordinator's, with one request and its reply. */

/** The offset of a worker's clock; undefined until the worker has replied with its time. */
export class ClockOffset {
  #requestedMs: number | undefined;
  #aheadMs: number | undefined;

  /** Milliseconds by which the worker's clock is ahead of the coordinator's. */
  get aheadMs(): number | undefined {
    return this.#aheadMs;
  }

  /** Records when the worker's time was requested, by the coordinator's clock. */
  onRequest(nowMs: number): void {
    this.#requestedMs = nowMs;
  }

  /**
   * Computes the offset. The worker is assumed to have read its clock half-way between the request and the reply.
   *
   * @returns whether a reply was expected
   */
  onReply(workerMs: number, nowMs: number): boolean {
    if (this.#requestedMs === undefined || this.#aheadMs !== undefined) return false;
    this.#aheadMs = workerMs - (this.#requestedMs + nowMs) / 2;
    return true;
  }
}
