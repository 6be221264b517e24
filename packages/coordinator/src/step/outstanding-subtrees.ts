/**
 * Subtrees that workers were assigned and have not contributed, including those of earlier steps that others completed.
 */
import type { Step, SubtreeId, WorkerId } from "@lockstep/gradient-sync";

/** An attempt that a worker has not completed. */
export interface OutstandingSubtree {
  worker: WorkerId;
  step: Step;
  samples: number;
  /** Samples of this subtree and of the work that the worker had queued before it. */
  queuedSamples: number;
  /** Time of the assignment, by the coordinator's clock. */
  sinceMs: number;
}

/** Identifies an attempt. */
export type AttemptKey = { step: Step; subtree: SubtreeId; attempt: number };

/** The outstanding subtrees of each worker. */
export class OutstandingSubtrees {
  /** Outstanding subtrees by worker and attempt. */
  readonly #outstanding = new Map<WorkerId, Map<string, OutstandingSubtree>>();

  /** Adds an attempt of a worker. */
  add(key: AttemptKey, subtree: OutstandingSubtree): void {
    const own = this.#outstanding.get(subtree.worker) ?? new Map<string, OutstandingSubtree>();
    this.#outstanding.set(subtree.worker, own.set(keyOf(key), subtree));
  }

  /** Returns an attempt of a worker if it is outstanding. */
  get(worker: WorkerId, key: AttemptKey): OutstandingSubtree | undefined {
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

  /** Returns whether a worker still owes a subtree of a step before this one. */
  isBehind(worker: WorkerId, step: number): boolean {
    return this.#of(worker).some((subtree) => subtree.step < step);
  }

  #of(worker: WorkerId): OutstandingSubtree[] {
    return [...(this.#outstanding.get(worker)?.values() ?? [])];
  }
}

const keyOf = ({ step, subtree, attempt }: AttemptKey) => `${step}/${subtree}/${attempt}`;
