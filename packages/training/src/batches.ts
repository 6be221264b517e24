/** The batches that a run's tasks need, asked for a few ahead so that a step does not wait for its data. */
import type { Batch, BatchThread } from "@lockstep/dataset";
import { planSlices, type Task } from "@lockstep/run";

/** How many batches may be asked for or made and not yet taken; bounds the memory. */
const BATCHES_AHEAD = 3;

export interface BatchRows {
  /** Samples of a batch in an evaluation. */
  evaluationRows: number;
  /** Samples of a slice; absent, a slice is the whole batch of a step. */
  sliceRows?: number | undefined;
}

export class Batches {
  readonly #thread: BatchThread;
  readonly #requests: Iterator<Parameters<BatchThread["request"]>[0]>;

  constructor(thread: BatchThread, tasks: Iterable<Task>, { evaluationRows, sliceRows }: BatchRows) {
    this.#thread = thread;
    this.#requests = slicesOf(tasks, { evaluationRows, sliceRows });
    for (let i = 0; i < BATCHES_AHEAD; i++) this.#requestNext();
  }

  /** The next batch in the order of the tasks. Waits for the thread that makes it, if it isn't there yet. */
  async take(): Promise<Batch> {
    const batch = await this.#thread.take();
    this.#requestNext();
    return batch;
  }

  #requestNext(): void {
    const next = this.#requests.next();
    if (next.done !== true) this.#thread.request(next.value);
  }
}

/** Where the evaluation of `samples` samples is cut into batches. */
export function* evaluationRanges(samples: number, rows: number): Generator<{ start: number; end: number }> {
  for (let start = 0; start < samples; start += rows) yield { start, end: Math.min(start + rows, samples) };
}

function* slicesOf(tasks: Iterable<Task>, { evaluationRows, sliceRows }: BatchRows) {
  for (const task of tasks) {
    if (task.type === "step") {
      for (const { start, end } of planSlices(task.start, task.end, 1, sliceRows)) {
        yield { part: "train" as const, epoch: task.epoch, start, end };
      }
    }
    if (task.type === "evaluate") {
      for (const range of evaluationRanges(task.samples, evaluationRows)) yield { part: task.part, epoch: 0, ...range };
    }
  }
}
