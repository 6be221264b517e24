/** Slices that workers were assigned and have not contributed, including those of earlier steps that others completed. */
import type { SliceId, Step, WorkerId } from "@lockstep/gradient-sync";

/** An attempt that a worker has not completed. */
export interface OutstandingSlice {
  worker: WorkerId;
  step: Step;
  samples: number;
  /** Samples of this slice and of the work that the worker had queued before it. */
  queuedSamples: number;
  /** Time of the assignment, by the coordinator's clock. */
  sinceMs: number;
}

/** Identifies an attempt. */
export type AttemptKey = { step: Step; slice: SliceId; attempt: number };

/** The outstanding slices of each worker. */
export class OutstandingSlices {
  /** Outstanding slices by worker and attempt. */
  readonly #outstanding = new Map<WorkerId, Map<string, OutstandingSlice>>();

  /** Adds an attempt of a worker. */
  add(key: AttemptKey, slice: OutstandingSlice): void {
    const own = this.#outstanding.get(slice.worker) ?? new Map<string, OutstandingSlice>();
    this.#outstanding.set(slice.worker, own.set(keyOf(key), slice));
  }

  /** Returns an attempt of a worker if it is outstanding. */
  get(worker: WorkerId, key: AttemptKey): OutstandingSlice | undefined {
    return this.#outstanding.get(worker)?.get(keyOf(key));
  }

  /** Deletes an attempt that is complete or refused. */
  delete(worker: WorkerId, key: AttemptKey): void {
    this.#outstanding.get(worker)?.delete(keyOf(key));
  }

  /** Deletes all attempts of a worker that has departed. */
  remove(worker: WorkerId): void {
    this.#outstanding.delete(worker);
  }

  /** Deletes all attempts. */
  clear(): void {
    this.#outstanding.clear();
  }

  /** Returns the number of samples that a worker has not contributed yet. */
  samplesOf(worker: WorkerId): number {
    return this.#of(worker).reduce((total, { samples }) => total + samples, 0);
  }

  /** Returns whether a worker still owes a slice of a step before this one. */
  isBehind(worker: WorkerId, step: number): boolean {
    return this.#of(worker).some((slice) => slice.step < step);
  }

  #of(worker: WorkerId): OutstandingSlice[] {
    return [...(this.#outstanding.get(worker)?.values() ?? [])];
  }
}

const keyOf = ({ step, slice, attempt }: AttemptKey) => `${step}/${slice}/${attempt}`;
