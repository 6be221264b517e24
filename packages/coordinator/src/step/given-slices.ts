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
  /** By worker, so that a chunk of one is not looked for among the slices of all. */
  readonly #given = new Map<number, Map<string, GivenSlice>>();

  add(key: AttemptKey, given: GivenSlice): void {
    const own = this.#given.get(given.worker) ?? new Map<string, GivenSlice>();
    this.#given.set(given.worker, own.set(keyOf(key), given));
  }

  get(worker: number, key: AttemptKey): GivenSlice | undefined {
    return this.#given.get(worker)?.get(keyOf(key));
  }

  delete(worker: number, key: AttemptKey): void {
    this.#given.get(worker)?.delete(keyOf(key));
  }

  /** A worker is gone: nothing comes of what it was given. */
  lose(worker: number): void {
    this.#given.delete(worker);
  }

  clear(): void {
    this.#given.clear();
  }

  samplesOf(worker: number): number {
    return this.#of(worker).reduce((total, { samples }) => total + samples, 0);
  }

  /** Whether a worker still owes a slice of a step before this one. */
  isBehind(worker: number, step: number): boolean {
    return this.#of(worker).some((given) => given.step < step);
  }

  #of(worker: number): GivenSlice[] {
    return [...(this.#given.get(worker)?.values() ?? [])];
  }
}

const keyOf = ({ step, slice, attempt }: AttemptKey) => `${step}/${slice}/${attempt}`;
