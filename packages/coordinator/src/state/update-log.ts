/** The log of messages for all workers since a snapshot of the weights was started. */

/** Buffers messages for workers that receive the snapshot first. */
export class UpdateLog {
  readonly #maxBytes: number;
  #bytes = 0;
  readonly messages: Buffer[] = [];

  /**
   * @param maxBytes size above which the log overflows: a worker that has not read its snapshot by then cannot catch up
   */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Adds an encoded message. */
  add(message: Buffer): void {
    this.#bytes += message.length;
    if (this.overflowed) this.messages.length = 0;
    else this.messages.push(message);
  }

  /** Whether the messages exceeded the limit and were discarded. */
  get overflowed(): boolean {
    return this.#bytes > this.#maxBytes;
  }
}
