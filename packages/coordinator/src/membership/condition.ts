/** One condition variable for all that a run waits for. */

interface Waiter {
  holds: () => boolean;
  resolve: () => void;
  reject: (error: unknown) => void;
}

/** Wakes those who wait when what they wait for holds: predicates are evaluated whenever something has happened. */
export class Condition {
  readonly #waiters = new Set<Waiter>();
  #failure: Error | undefined;

  /**
   * Resolves when `holds` returns true; it is called now, and at each `notify`. Rejects with what it throws, and with the
   * error given to `fail`.
   */
  wait(holds: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiter = { holds, resolve, reject };
      this.#waiters.add(waiter);
      this.#test(waiter);
    });
  }

  /** The error that waits reject with, if waiting is in vain. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** Tests all predicates: something has happened. */
  notify(): void {
    for (const waiter of this.#waiters) this.#test(waiter);
  }

  /** Rejects all waits, now and later, with this error; undefined ends that. */
  fail(error: Error | undefined): void {
    this.#failure = error;
    this.notify();
  }

  #test(waiter: Waiter): void {
    try {
      if (this.#failure !== undefined) throw this.#failure;
      if (!waiter.holds()) return;
      waiter.resolve();
    } catch (error) {
      waiter.reject(error); // and the others are tested all the same
    }
    this.#waiters.delete(waiter);
  }
}
