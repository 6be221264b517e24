/** The condition variable of a run. */

interface PendingWait {
  predicate: () => boolean;
  resolve: () => void;
  reject: (error: unknown) => void;
}

/** A condition variable: each wait has a predicate, which is tested at once and at each `notify`. */
export class Condition {
  readonly #waits = new Set<PendingWait>();
  #failure: Error | undefined;

  /**
   * Resolves when `predicate` returns true; it is called now and at each `notify`. Rejects with what it throws, or with
   * the error passed to `fail`.
   */
  wait(predicate: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const wait = { predicate, resolve, reject };
      this.#waits.add(wait);
      this.#test(wait);
    });
  }

  /** The error that all waits reject with; undefined while waiting makes sense. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** Tests the predicates of all pending waits. */
  notify(): void {
    for (const wait of this.#waits) this.#test(wait);
  }

  /** Rejects all pending waits, and later ones until `clear`, with this error. */
  fail(error: Error): void {
    this.#failure = error;
    this.notify();
  }

  /** Withdraws the error: later waits wait again. */
  clear(): void {
    this.#failure = undefined;
    this.notify();
  }

  #test(wait: PendingWait): void {
    try {
      if (this.#failure !== undefined) throw this.#failure;
      if (!wait.predicate()) return;
      wait.resolve();
    } catch (error) {
      wait.reject(error); // the other waits are still tested
    }
    this.#waits.delete(wait);
  }
}
