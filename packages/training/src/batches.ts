/** The batches of a run, prefetched so that a step does not wait for its data. */

import type { Batch, BatchThread, SliceRequest } from "@lockstep/dataset";
import { at } from "@lockstep/errors";
import { planSlices, type Task } from "@lockstep/run";

/** Upper bound on the batches that are prefetched; it bounds the memory. */
const MAX_PREFETCHED = 3;

/** Predicts the request after `last`. Returns undefined if it cannot be predicted or there is none. */
export type PredictRequest = (last: SliceRequest | undefined) => SliceRequest | undefined;

/** Prefetches the batches of a run from the batch thread. */
export class Batches {
  readonly #thread: BatchThread;
  readonly #predict: PredictRequest;
  /** The requests in flight to the thread, in order. */
  readonly #requested: SliceRequest[] = [];

  constructor(thread: BatchThread, predict: PredictRequest) {
    this.#thread = thread;
    this.#predict = predict;
    this.#prefetch(undefined);
  }

  /** Returns the batch of a slice. Waits for the thread unless the batch was prefetched. */
  async next(request: SliceRequest): Promise<Batch> {
    while (this.#requested.length > 0 && !isEqual(at(this.#requested, 0), request)) {
      this.#requested.shift();
      await this.#thread.next().catch(() => {}); // prefetched, but not requested
    }
    if (this.#requested.length === 0) this.#request(request);
    const batch = this.#thread.next();
    this.#requested.shift();
    this.#prefetch(request);
    return batch;
  }

  /** Discards all prefetched batches. */
  async drain(): Promise<void> {
    for (const _ of this.#requested.splice(0)) await this.#thread.next().catch(() => {});
  }

  #prefetch(last: SliceRequest | undefined): void {
    while (this.#requested.length < MAX_PREFETCHED) {
      const next = this.#predict(this.#requested.at(-1) ?? last);
      if (next === undefined) return;
      this.#request(next);
    }
  }

  #request({ split, epoch, start, end }: SliceRequest): void {
    this.#thread.request({ split, epoch, start, end });
    this.#requested.push({ split, epoch, start, end });
  }
}

const isEqual = (a: SliceRequest, b: SliceRequest) =>
  a.split === b.split && a.epoch === b.epoch && a.start === b.start && a.end === b.end;

/** Divides the evaluation of `samples` samples into batches of `rows`. */
export function* evaluationRanges(samples: number, rows: number): Generator<{ start: number; end: number }> {
  for (let start = 0; start < samples; start += rows) yield { start, end: Math.min(start + rows, samples) };
}

/** Sizes of the batches of evaluations and of the slices of steps. */
export interface BatchRows {
  /** Samples of an evaluation's batch. */
  evaluationRows: number;
  /** Samples of a slice. @default the batch of a step */
  sliceRows?: number | undefined;
}

/** Predicts all batches of the tasks in their order, for a world size of 1. */
export function plannedRequests(tasks: Iterable<Task>, rows: BatchRows): PredictRequest {
  const requests = requestsOf(tasks, rows);
  return () => {
    const next = requests.next();
    return next.done === true ? undefined : next.value;
  };
}

function* requestsOf(tasks: Iterable<Task>, { evaluationRows, sliceRows }: BatchRows): Generator<SliceRequest, void> {
  for (const task of tasks) {
    if (task.type === "step") {
      for (const { start, end } of planSlices(task.start, task.end, 1, sliceRows)) {
        yield { split: "train", epoch: task.epoch, start, end };
      }
    }
    if (task.type === "evaluate") {
      for (const range of evaluationRanges(task.samples, evaluationRows))
        yield { split: task.split, epoch: 0, ...range };
    }
  }
}
