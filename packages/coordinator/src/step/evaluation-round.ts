/**
 * The evaluation of all samples of a split, in ranges that workers take as they have time. A range whose worker is lost,
 * or whose result is refused, goes to another, so that every sample counts once. Losses are added in the order of the
 * ranges.
 */
import { MAX_LOSS_SUM, type WorkerId } from "@lockstep/gradient-sync";
import { addEvaluation, type Evaluation, emptyEvaluation } from "@lockstep/run";

/** Samples that a worker evaluates at once. */
const RANGE_ROWS = 64;
/** Ranges that a worker is given ahead, so that it never waits for the next. */
const RANGES_AHEAD = 2;

/** Samples [start, end) of a split, under the number of their request. */
export interface EvaluationRange {
  request: number;
  start: number;
  end: number;
}

interface Range extends EvaluationRange {
  /** The worker that computes it, if one does. */
  worker?: WorkerId | undefined;
  /** Workers that found its loss not finite. */
  nonFiniteWorkers: Set<WorkerId>;
  /** Sum of the losses of its samples, once it is done. */
  lossSum?: number;
  predictions?: number[] | undefined;
}

/** Gives ranges out, and adds up their results. */
export class EvaluationRound {
  readonly #classes: number;
  readonly #ranges: Range[] = [];
  /** Counts of the ranges that are done; they are exact in any order. */
  readonly #counts: Evaluation;

  /** @param firstRequest number of the first range's request */
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

  /** Gives a worker the ranges that it may compute next. */
  assign(worker: WorkerId): EvaluationRange[] {
    const own = this.#open().filter((range) => range.worker === worker).length;
    const free = this.#open().filter((range) => range.worker === undefined && !range.nonFiniteWorkers.has(worker));
    return free.slice(0, Math.max(0, RANGES_AHEAD - own)).map((range) => {
      range.worker = worker;
      return { request: range.request, start: range.start, end: range.end };
    });
  }

  /** Takes a result. @returns why it is refused, if it is; its range is then another worker's */
  add(worker: WorkerId, { request, ...result }: Evaluation & { request: number }): string | undefined {
    const range = this.#ranges.find((other) => other.request === request);
    if (range === undefined) return undefined; // asked for by an evaluation before this one
    if (range.worker !== worker || range.lossSum !== undefined) return "an evaluation that was not asked for";
    range.worker = undefined;
    if (!this.#isConsistent(result, range.end - range.start)) return "an evaluation that is not of all its samples";
    const isLoss = Math.abs(result.lossSum) <= MAX_LOSS_SUM;
    if (!isLoss && range.nonFiniteWorkers.add(worker).size === 1) return "a loss that is not finite";
    range.predictions = result.predictions;
    range.lossSum = isLoss ? result.lossSum : Number.NaN; // a second worker has found the same: it is the training's fault
    addEvaluation(this.#counts, result);
    return undefined;
  }

  /** Samples that a worker was given and has not evaluated. */
  openSamples(worker: WorkerId): number {
    const own = this.#open().filter((range) => range.worker === worker);
    return own.reduce((total, { start, end }) => total + end - start, 0);
  }

  /** Frees the ranges of a worker that is gone. */
  withdraw(worker: WorkerId): void {
    for (const range of this.#open()) if (range.worker === worker) range.worker = undefined;
  }

  /** Leaves a range at a loss that is not finite, where all workers that are there have found it so. */
  settle(workers: readonly WorkerId[]): void {
    if (workers.length === 0) return; // others may come, and find it finite
    for (const range of this.#open()) {
      if (workers.every((worker) => range.nonFiniteWorkers.has(worker))) range.lossSum = Number.NaN;
    }
  }

  /** Whether all ranges are done. */
  get done(): boolean {
    return this.#open().length === 0;
  }

  /** Returns the sums over all samples. */
  total(): Evaluation {
    const predictions = this.#ranges.flatMap(({ predictions = [] }) => predictions);
    return {
      ...this.#counts,
      lossSum: this.#ranges.reduce((total, { lossSum }) => total + lossSum!, 0),
      ...(predictions.length === this.#counts.samples && { predictions }),
    };
  }

  #open(): Range[] {
    return this.#ranges.filter(({ lossSum }) => lossSum === undefined);
  }

  #isConsistent({ samples, confusion, predictions }: Evaluation, expected: number): boolean {
    if (predictions !== undefined && !matchConfusion(predictions, confusion)) return false;
    const counts = confusion.flat();
    const square = confusion.length === this.#classes && confusion.every(({ length }) => length === this.#classes);
    return square && samples === expected && counts.reduce((total, count) => total + count, 0) === expected;
  }
}

/** Tells whether so many samples were taken for each class as the confusion matrix says. */
function matchConfusion(predictions: readonly number[], confusion: readonly number[][]): boolean {
  const left = confusion.map((_, predicted) => confusion.reduce((total, row) => total + (row[predicted] ?? 0), 0));
  for (const predicted of predictions) left[predicted] = (left[predicted] ?? 0) - 1;
  return left.every((count) => count === 0) && left.length === confusion.length;
}
