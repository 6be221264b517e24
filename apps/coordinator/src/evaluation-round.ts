/**
 * The evaluation of all samples of a part, in ranges that workers take as they have time. A range whose worker is lost
 * goes to another, so that every sample counts once. Sums are added in the order of the ranges.
 */
import { addEvaluation, type Evaluation, emptyEvaluation } from "@lockstep/run";

/** Samples that a worker evaluates at once. */
const RANGE_ROWS = 64;
/** Ranges that a worker is given ahead, so that it never waits for the next. */
const RANGES_AHEAD = 2;

export interface EvaluationRange {
  request: number;
  start: number;
  end: number;
}

export class EvaluationRound {
  readonly #classes: number;
  readonly #ranges: EvaluationRange[] = [];
  readonly #results = new Map<number, Evaluation>();
  /** Who computes which range. */
  readonly #given = new Map<number, number>();

  /** @param firstRequest of the numbers that the ranges are asked for with */
  constructor(samples: number, classes: number, firstRequest: number) {
    this.#classes = classes;
    for (let start = 0; start < samples; start += RANGE_ROWS) {
      const request = firstRequest + this.#ranges.length;
      this.#ranges.push({ request, start, end: Math.min(start + RANGE_ROWS, samples) });
    }
  }

  /** How many. */
  get ranges(): number {
    return this.#ranges.length;
  }

  /** Gives a worker what it may compute next. */
  give(worker: number): EvaluationRange[] {
    const own = [...this.#given.values()].filter((other) => other === worker).length;
    const open = this.#ranges.filter(({ request }) => !this.#given.has(request) && !this.#results.has(request));
    const ranges = open.slice(0, Math.max(0, RANGES_AHEAD - own));
    for (const { request } of ranges) this.#given.set(request, worker);
    return ranges;
  }

  /** @returns whether the answer was asked for and fits */
  take(worker: number, { request, ...result }: Evaluation & { request: number }): boolean {
    const range = this.#ranges.find((other) => other.request === request);
    if (range === undefined || this.#given.get(request) !== worker) return false;
    if (!this.#fits(result, range.end - range.start)) return false;
    this.#given.delete(request);
    this.#results.set(request, result);
    return true;
  }

  /** Samples that a worker was given and has not evaluated. */
  openSamples(worker: number): number {
    const own = this.#ranges.filter(({ request }) => this.#given.get(request) === worker);
    return own.reduce((total, { start, end }) => total + end - start, 0);
  }

  lose(worker: number): void {
    for (const [request, other] of this.#given) if (other === worker) this.#given.delete(request);
  }

  get done(): boolean {
    return this.#results.size === this.#ranges.length;
  }

  total(): Evaluation {
    const total = emptyEvaluation(this.#classes);
    for (const { request } of this.#ranges) addEvaluation(total, this.#results.get(request)!);
    return total;
  }

  #fits({ samples, confusion }: Evaluation, expected: number): boolean {
    const counts = confusion.flat();
    const square = confusion.length === this.#classes && counts.length === this.#classes ** 2;
    return square && samples === expected && counts.reduce((total, count) => total + count, 0) === expected;
  }
}
