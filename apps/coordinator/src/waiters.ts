/** Who waits for something to be true. */
export class Waiters {
  readonly #waiting = new Set<{ holds: () => boolean; resolve: () => void; reject: (error: Error) => void }>();
  #failure: Error | undefined;

  /** Resolves when `holds` says so; it is asked now, and at each `look`. Rejects when waiting has become vain. */
  until(holds: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.add({ holds, resolve, reject });
      this.look();
    });
  }

  /** Something has happened: asks everyone. */
  look(): void {
    for (const waiter of this.#waiting) {
      if (this.#failure === undefined && !waiter.holds()) continue;
      this.#waiting.delete(waiter);
      if (this.#failure === undefined) waiter.resolve();
      else waiter.reject(this.#failure);
    }
  }

  /** From now on whoever waits, or comes to wait, hears of this error; undefined ends that. */
  fail(error: Error | undefined): void {
    this.#failure = error;
    this.look();
  }
}
