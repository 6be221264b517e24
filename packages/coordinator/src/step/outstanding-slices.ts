/** Slices that workers were given and have not contributed, also those of earlier steps that others were quicker with. */
import type { SliceId, Step, WorkerId } from "@lockstep/gradient-sync";

/** An attempt that a worker has not completed. */
export interface OutstandingSlice {
  worker: WorkerId;
  step: Step;
  samples: number;
  /** Samples of this slice, and of what the worker was given before and had not finished. */
  queuedSamples: number;
  /** When it was given, by the coordinator's clock. */
  sinceMs: number;
}

/** Names an attempt. */
export type AttemptKey = { step: Step; slice: SliceId; attempt: number };

/** Keeps the outstanding slices of each worker. */
export class OutstandingSlices {
  /** By worker, so that a chunk of one is not looked for among the slices of all. */
  readonly #outstanding = new Map<WorkerId, Map<string, OutstandingSlice>>();

  /** Adds an attempt that a worker begins. */
  add(key: AttemptKey, slice: OutstandingSlice): void {
    const own = this.#outstanding.get(slice.worker) ?? new Map<string, OutstandingSlice>();
    this.#outstanding.set(slice.worker, own.set(keyOf(key), slice));
  }

  /** Returns an attempt of a worker, unless it is done. */
  get(worker: WorkerId, key: AttemptKey): OutstandingSlice | undefined {
    return this.#outstanding.get(worker)?.get(keyOf(key));
  }

  /** Forgets an attempt that is done, or refused. */
  delete(worker: WorkerId, key: AttemptKey): void {
    this.#outstanding.get(worker)?.delete(keyOf(key));
  }

  /** Forgets all attempts of a worker that is gone. */
  remove(worker: WorkerId): void {
    this.#outstanding.delete(worker);
  }

  /** Forgets everything. */
  clear(): void {
    this.#outstanding.clear();
  }

  /** Samples that a worker has not contributed yet. */
  samplesOf(worker: WorkerId): number {
    return this.#of(worker).reduce((total, { samples }) => total + samples, 0);
  }

  /** Tells whether a worker still owes a slice of a step before this one. */
  isBehind(worker: WorkerId, step: number): boolean {
    return this.#of(worker).some((slice) => slice.step < step);
  }

  #of(worker: WorkerId): OutstandingSlice[] {
    return [...(this.#outstanding.get(worker)?.values() ?? [])];
  }
}

const keyOf = ({ step, slice, attempt }: AttemptKey) => `${step}/${slice}/${attempt}`;
