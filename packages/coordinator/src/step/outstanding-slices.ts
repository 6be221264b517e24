/** Slices that workers were given and have not contributed, also those of earlier steps that others were quicker with. */
import type { SliceId, Step, WorkerId } from "@lockstep/gradient-sync";

export interface OutstandingSlice {
  worker: WorkerId;
  step: Step;
  samples: number;
  /** These, and what the worker was given before and had not finished. */
  queuedSamples: number;
  sinceMs: number;
}

/** What a slice of a step is tried under. */
export type AttemptKey = { step: Step; slice: SliceId; attempt: number };

export class OutstandingSlices {
  /** By worker, so that a chunk of one is not looked for among the slices of all. */
  readonly #given = new Map<WorkerId, Map<string, OutstandingSlice>>();

  add(key: AttemptKey, given: OutstandingSlice): void {
    const own = this.#given.get(given.worker) ?? new Map<string, OutstandingSlice>();
    this.#given.set(given.worker, own.set(keyOf(key), given));
  }

  get(worker: WorkerId, key: AttemptKey): OutstandingSlice | undefined {
    return this.#given.get(worker)?.get(keyOf(key));
  }

  delete(worker: WorkerId, key: AttemptKey): void {
    this.#given.get(worker)?.delete(keyOf(key));
  }

  /** A worker is gone: nothing comes of what it was given. */
  lose(worker: WorkerId): void {
    this.#given.delete(worker);
  }

  clear(): void {
    this.#given.clear();
  }

  samplesOf(worker: WorkerId): number {
    return this.#of(worker).reduce((total, { samples }) => total + samples, 0);
  }

  /** Whether a worker still owes a slice of a step before this one. */
  isBehind(worker: WorkerId, step: number): boolean {
    return this.#of(worker).some((given) => given.step < step);
  }

  #of(worker: WorkerId): OutstandingSlice[] {
    return [...(this.#given.get(worker)?.values() ?? [])];
  }
}

const keyOf = ({ step, slice, attempt }: AttemptKey) => `${step}/${slice}/${attempt}`;
