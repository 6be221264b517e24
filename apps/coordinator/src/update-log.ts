/** What was told to all since a snapshot of the weights was begun: a worker that gets the snapshot hears it afterwards. */
export class UpdateLog {
  readonly #maxBytes: number;
  #messages: Buffer[] = [];
  #bytes = 0;

  /** @param maxBytes above which nothing is kept: the snapshot has come too late, and a new one is taken */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  add(message: Buffer): void {
    this.#bytes += message.length;
    if (this.overflowed) this.#messages = [];
    else this.#messages.push(message);
  }

  get overflowed(): boolean {
    return this.#bytes > this.#maxBytes;
  }

  get messages(): readonly Buffer[] {
    return this.#messages;
  }
}
