/** One condition variable for all that a run waits for. */

interface PendingWait {
  predicate: () => boolean;
  resolve: () => void;
  reject: (error: unknown) => void;
}

/** Wakes those who wait when what they wait for holds: predicates are evaluated whenever something has happened. */
export class Condition {
  readonly #waits = new Set<PendingWait>();
  #failure: Error | undefined;

  /**
   * Resolves when `holds` returns true; it is called now, and at each `notify`. Rejects with what it throws, and with the
   * error given to `fail`.
   */
  wait(predicate: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const wait = { predicate, resolve, reject };
      this.#waits.add(wait);
      this.#test(wait);
    });
  }

  /** The error that waits reject with, if waiting is in vain. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** Tests all predicates: something has happened. */
  notify(): void {
    for (const wait of this.#waits) this.#test(wait);
  }

  /** Rejects all waits, now and later, with this error; undefined ends that. */
  fail(error: Error | undefined): void {
    this.#failure = error;
    this.notify();
  }

  #test(wait: PendingWait): void {
    try {
      if (this.#failure !== undefined) throw this.#failure;
      if (!wait.predicate()) return;
      wait.resolve();
    } catch (error) {
      wait.reject(error); // and the others are tested all the same
    }
    this.#waits.delete(wait);
  }
}
