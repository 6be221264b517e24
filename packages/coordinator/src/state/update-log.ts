/** What was told to all since a snapshot of the weights was begun: a worker that gets the snapshot hears it afterwards. */
export class UpdateLog {
  readonly #maxBytes: number;
  #bytes = 0;
  readonly messages: Buffer[] = [];

  /** @param maxBytes above which nothing is kept: who has not read it by then comes too late */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  add(message: Buffer): void {
    this.#bytes += message.length;
    if (this.overflowed) this.messages.length = 0;
    else this.messages.push(message);
  }

  get overflowed(): boolean {
    return this.#bytes > this.#maxBytes;
  }
}
