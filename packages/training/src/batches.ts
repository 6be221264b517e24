/** The batches that a run needs, asked for a few ahead so that a step does not wait for its data. */
import type { Batch, BatchThread, SliceRequest } from "@lockstep/dataset";
import { planSlices, type Task } from "@lockstep/run";

/** The most batches that are requested or made and not yet taken; it bounds the memory. */
const MAX_PREFETCHED = 3;

/** Returns the request that will follow `last`, as far as one can tell; undefined if none will. */
export type PredictRequest = (last: SliceRequest | undefined) => SliceRequest | undefined;

/** The batches of a run, requested from the batch thread ahead of their use. */
export class Batches {
  readonly #thread: BatchThread;
  readonly #predict: PredictRequest;
  /** Asked of the thread and not yet taken, in order. */
  readonly #requested: SliceRequest[] = [];

  constructor(thread: BatchThread, predict: PredictRequest) {
    this.#thread = thread;
    this.#predict = predict;
    this.#prefetch(undefined);
  }

  /** The batch of a slice. Waits for the thread that makes it, if it isn't there yet. */
  async next(request: SliceRequest): Promise<Batch> {
    while (this.#requested.length > 0 && !isEqual(this.#requested[0]!, request)) {
      this.#requested.shift();
      await this.#thread.next().catch(() => {}); // foreseen, but not what was wanted
    }
    if (this.#requested.length === 0) this.#request(request);
    const batch = this.#thread.next();
    this.#requested.shift();
    this.#prefetch(request);
    return batch;
  }

  /** Lets go of all that was foreseen. */
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

/** Cuts the evaluation of `samples` samples into batches. */
export function* evaluationRanges(samples: number, rows: number): Generator<{ start: number; end: number }> {
  for (let start = 0; start < samples; start += rows) yield { start, end: Math.min(start + rows, samples) };
}

/** The number of samples in the batches of evaluations and in the slices of steps. */
export interface BatchRows {
  /** Samples of a batch in an evaluation. */
  evaluationRows: number;
  /** Samples of a slice; absent, a slice is the whole batch of a step. */
  sliceRows?: number | undefined;
}

/** All batches of the tasks, in their order: what a world of one needs. */
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
