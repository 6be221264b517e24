/** Slices that workers were given and have not contributed, also those of earlier steps that others were quicker with. */
export interface GivenSlice {
  worker: number;
  step: number;
  samples: number;
  /** These, and what the worker was given before and had not finished. */
  queuedSamples: number;
  sinceMs: number;
}

/** What a slice of a step is tried under. */
export type AttemptKey = { step: number; slice: number; attempt: number };

export class GivenSlices {
  readonly #given = new Map<string, GivenSlice>();

  add(key: AttemptKey, given: GivenSlice): void {
    this.#given.set(keyOf(key), given);
  }

  get(key: AttemptKey): GivenSlice | undefined {
    return this.#given.get(keyOf(key));
  }

  delete(key: AttemptKey): void {
    this.#given.delete(keyOf(key));
  }

  /** A worker is gone: nothing comes of what it was given. */
  lose(worker: number): void {
    for (const [key, given] of this.#given) if (given.worker === worker) this.#given.delete(key);
  }

  clear(): void {
    this.#given.clear();
  }

  samplesOf(worker: number): number {
    const own = [...this.#given.values()].filter((given) => given.worker === worker);
    return own.reduce((total, { samples }) => total + samples, 0);
  }

  /** Workers that still owe a slice of a step before this one. */
  behind(step: number): Set<number> {
    return new Set([...this.#given.values()].filter((given) => given.step < step).map(({ worker }) => worker));
  }
}

const keyOf = ({ step, slice, attempt }: AttemptKey) => `${step}/${slice}/${attempt}`;
