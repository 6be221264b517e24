/** Measures how a socket's thread spends its time, in milliseconds. That time overlaps the computing thread's. */
export class IoClock {
  readonly #nowMs: () => number;
  #ms = { encode: 0, send: 0, receive: 0 };
  /** Messages that are in flight to the network. */
  #sending = 0;
  #sendingSinceMs = 0;

  /** @param nowMs a monotonic clock */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  encode<Result>(work: () => Result): Result {
    return this.#time("encode", work);
  }

  receive<Result>(work: () => Result): Result {
    return this.#time("receive", work);
  }

  /** Starts to count the time of a send. The returned function ends it; sends that overlap count once. */
  sending(): () => void {
    if (this.#sending++ === 0) this.#sendingSinceMs = this.#nowMs();
    return () => {
      if (--this.#sending === 0) this.#ms.send += this.#nowMs() - this.#sendingSinceMs;
    };
  }

  /** Returns the times since the last call. */
  readAndReset(): { encode: number; send: number; receive: number } {
    const ms = this.#ms;
    this.#ms = { encode: 0, send: 0, receive: 0 };
    return ms;
  }

  #time<Result>(part: "encode" | "receive", work: () => Result): Result {
    const startMs = this.#nowMs();
    const result = work();
    this.#ms[part] += this.#nowMs() - startMs;
    return result;
  }
}
