/** Measures what a socket's thread spends its time with, in milliseconds: it overlaps the computing thread's. */
export class IoClock {
  readonly #nowMs: () => number;
  #ms = { encode: 0, send: 0, receive: 0 };
  /** Messages that the network has not taken yet. */
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

  /** Notes that a message is being sent, until what this returns is called. */
  sending(): () => void {
    if (this.#sending++ === 0) this.#sendingSinceMs = this.#nowMs();
    return () => {
      if (--this.#sending === 0) this.#ms.send += this.#nowMs() - this.#sendingSinceMs;
    };
  }

  /** Returns the times since they were last taken. */
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
