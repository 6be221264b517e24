/**
 * The evaluation of all samples of a split, in ranges that are assigned to workers as they become free. A range whose
 * worker disconnects, or whose result is refused, goes to another worker, so that every sample counts once. Losses are
 * summed in the order of the ranges.
 */
import { defined } from "@lockstep/errors";
import { MAX_LOSS_SUM, type WorkerId } from "@lockstep/gradient-sync";
import { addEvaluation, type Evaluation, emptyEvaluation, sum } from "@lockstep/run";

/** Number of samples in a range. */
const RANGE_ROWS = 64;
/** Number of ranges that a worker has in flight, so that it never waits for the next one. */
const RANGES_AHEAD = 2;

/** Samples [start, end) of a split, and the id of the request for them. */
export interface EvaluationRange {
  request: number;
  start: number;
  end: number;
}

interface Range extends EvaluationRange {
  /** The worker that it is assigned to, if any. */
  worker?: WorkerId | undefined;
  /** Workers whose loss for it was not finite. */
  nonFiniteWorkers: Set<WorkerId>;
  /** Sum of the losses of its samples, once it is done. */
  lossSum?: number;
  predictions?: number[] | undefined;
}

/** Assigns ranges to workers and sums their results. */
export class EvaluationRound {
  readonly #classes: number;
  readonly #ranges: Range[] = [];
  /** Counts over the ranges that are done; integer sums are exact in any order. */
  readonly #counts: Evaluation;

  /** @param firstRequest id of the first range's request */
  constructor(samples: number, classes: number, firstRequest: number) {
    this.#classes = classes;
    this.#counts = emptyEvaluation(classes);
    for (let start = 0; start < samples; start += RANGE_ROWS) {
      const request = firstRequest + this.#ranges.length;
      this.#ranges.push({ request, start, end: Math.min(start + RANGE_ROWS, samples), nonFiniteWorkers: new Set() });
    }
  }

  /** Number of ranges. */
  get ranges(): number {
    return this.#ranges.length;
  }

  /** Assigns a worker its next ranges. @returns the ranges that are new to it */
  assign(worker: WorkerId): EvaluationRange[] {
    const own = this.#open().filter((range) => range.worker === worker).length;
    const free = this.#open().filter((range) => range.worker === undefined && !range.nonFiniteWorkers.has(worker));
    return free.slice(0, Math.max(0, RANGES_AHEAD - own)).map((range) => {
      range.worker = worker;
      return { request: range.request, start: range.start, end: range.end };
    });
  }

  /** Adds a result. @returns the reason if it is refused; its range then goes to another worker */
  add(worker: WorkerId, { request, ...result }: Evaluation & { request: number }): string | undefined {
    const range = this.#ranges.find((other) => other.request === request);
    if (range === undefined) return undefined; // requested by an earlier evaluation
    if (range.worker !== worker || range.lossSum !== undefined) return "an evaluation that was not requested";
    range.worker = undefined;
    if (!this.#isConsistent(result, range.end - range.start))
      return "an evaluation that does not cover all its samples";
    const isLoss = Math.abs(result.lossSum) <= MAX_LOSS_SUM;
    if (!isLoss && range.nonFiniteWorkers.add(worker).size === 1) return "a loss that is not finite";
    range.predictions = result.predictions;
    range.lossSum = isLoss ? result.lossSum : Number.NaN; // a second worker found the same: the training has diverged
    addEvaluation(this.#counts, result);
    return undefined;
  }

  /** Returns the number of samples that a worker was assigned and has not evaluated. */
  openSamples(worker: WorkerId): number {
    const own = this.#open().filter((range) => range.worker === worker);
    return own.reduce((total, { start, end }) => total + end - start, 0);
  }

  /** Frees the ranges of a worker that has departed. */
  withdraw(worker: WorkerId): void {
    for (const range of this.#open()) if (range.worker === worker) range.worker = undefined;
  }

  /** Accepts a loss that is not finite for each range that all of these workers have found not finite. */
  settle(workers: readonly WorkerId[]): void {
    if (workers.length === 0) return; // workers that join later may find it finite
    for (const range of this.#open()) {
      if (workers.every((worker) => range.nonFiniteWorkers.has(worker))) range.lossSum = Number.NaN;
    }
  }

  /** Whether all ranges are done. */
  get done(): boolean {
    return this.#open().length === 0;
  }

  /** Returns the sums over all samples. Call it when all ranges are done. */
  total(): Evaluation {
    const predictions = this.#ranges.flatMap(({ predictions = [] }) => predictions);
    return {
      ...this.#counts,
      lossSum: this.#ranges.reduce((total, { lossSum }) => total + defined(lossSum, "the loss of each range"), 0),
      ...(predictions.length === this.#counts.samples && { predictions }),
    };
  }

  #open(): Range[] {
    return this.#ranges.filter(({ lossSum }) => lossSum === undefined);
  }

  /** Returns whether a result covers its samples, and its counts agree with each other. */
  #isConsistent({ samples, confusion, predictions }: Evaluation, expected: number): boolean {
    if (predictions !== undefined && !matchConfusion(predictions, confusion)) return false;
    const counts = confusion.flat();
    const square = confusion.length === this.#classes && confusion.every(({ length }) => length === this.#classes);
    return square && samples === expected && sum(counts) === expected;
  }
}

/** Returns whether each class is predicted as often as the confusion matrix says. */
function matchConfusion(predictions: readonly number[], confusion: readonly number[][]): boolean {
  const left = confusion.map((_, predicted) => confusion.reduce((total, row) => total + (row[predicted] ?? 0), 0));
  for (const predicted of predictions) left[predicted] = (left[predicted] ?? 0) - 1;
  return left.every((count) => count === 0) && left.length === confusion.length;
}
