interface Waiter {
  holds: () => boolean;
  resolve: () => void;
  reject: (error: Error) => void;
}

/** Who waits for something to be true. */
export class Waiters {
  readonly #waiting = new Set<Waiter>();
  #failure: Error | undefined;

  /** Resolves when `holds` says so; it is asked now, and at each `look`. Rejects when waiting has become vain. */
  until(holds: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiter = { holds, resolve, reject };
      this.#waiting.add(waiter);
      this.#ask(waiter);
    });
  }

  /** Something has happened: asks everyone. */
  look(): void {
    for (const waiter of this.#waiting) this.#ask(waiter);
  }

  /** From now on whoever waits, or comes to wait, hears of this error; undefined ends that. */
  fail(error: Error | undefined): void {
    this.#failure = error;
    this.look();
  }

  #ask(waiter: Waiter): void {
    try {
      if (this.#failure !== undefined) throw this.#failure;
      if (!waiter.holds()) return;
      waiter.resolve();
    } catch (error) {
      waiter.reject(error as Error); // and the others are asked all the same
    }
    this.#waiting.delete(waiter);
  }
}
