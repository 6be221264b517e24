/** The log of what was told to all since a snapshot of the weights was begun. */

/** Keeps messages for workers that get the snapshot, and hear them afterwards. */
export class UpdateLog {
  readonly #maxBytes: number;
  #bytes = 0;
  readonly messages: Buffer[] = [];

  /** @param maxBytes above which nothing is kept: a worker that has not read it by then comes too late */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Adds a message, as encoded. */
  add(message: Buffer): void {
    this.#bytes += message.length;
    if (this.overflowed) this.messages.length = 0;
    else this.messages.push(message);
  }

  /** Whether there were more bytes than are kept. */
  get overflowed(): boolean {
    return this.#bytes > this.#maxBytes;
  }
}
