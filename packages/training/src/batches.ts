/** The batches that a run's tasks need, asked for a few ahead so that a step does not wait for its data. */
import type { Batch, BatchThread } from "@lockstep/dataset";
import type { Task } from "@lockstep/run";

/** How many batches may be asked for or made and not yet taken; bounds the memory. */
const BATCHES_AHEAD = 3;

export class Batches {
  readonly #thread: BatchThread;
  readonly #requests: Iterator<Parameters<BatchThread["request"]>[0]>;

  /** @param evaluationRows samples of a batch in an evaluation */
  constructor(thread: BatchThread, tasks: Iterable<Task>, evaluationRows: number) {
    this.#thread = thread;
    this.#requests = slicesOf(tasks, evaluationRows);
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

function* slicesOf(tasks: Iterable<Task>, evaluationRows: number) {
  for (const task of tasks) {
    if (task.type === "step") yield { part: "train" as const, epoch: task.epoch, start: task.start, end: task.end };
    if (task.type === "evaluate") {
      for (const range of evaluationRanges(task.samples, evaluationRows)) yield { part: task.part, epoch: 0, ...range };
    }
  }
}
