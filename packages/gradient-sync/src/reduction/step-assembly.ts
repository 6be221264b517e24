/**
 * The update of one step while it comes together at a worker: the sum of the dense parts, and every slice's factors.
 * Pieces of factors are kept by slice and attempt, until the commit says which attempts the step is made of.
 */
import { LockstepError } from "@lockstep/errors";
import { chunkLength, chunkOffsets, type Layout, partElements } from "../layout/layout.ts";
import type { SliceId, Step } from "../protocol/ids.ts";

/** Attempts at a slice whose factors are kept at once: the primary one, and some of this worker's own. */
const MAX_ATTEMPTS = 8;

interface PiecePlace {
  slice: SliceId;
  attempt: number;
  part: number;
  /** Counted in elements of the part. */
  offset: number;
}

/** Numbers of the update, and where in it they belong. */
export interface Piece extends PiecePlace {
  values: Float32Array;
}

/** The factors of one attempt at a slice, by part. Part 0 stays empty. */
interface Factors {
  parts: Float32Array<ArrayBuffer>[];
  /** Offsets that have come, of each part. */
  received: Set<number>[];
}

/** Puts the update of one step together, whatever order its pieces come in. */
export class StepAssembly {
  readonly #layout: Layout;
  readonly #sliceSamples: readonly number[];
  readonly #dense: Float32Array<ArrayBuffer>;
  /** Offsets of the sums that have come. */
  readonly #sums = new Set<number>();
  /** The factors of each slice, by attempt. */
  readonly #attempts: Map<number, Factors>[];

  /**
   * @param sliceSamples samples of every slice of the step, in slice order
   * @param dense where the sums are to be put together, whatever it holds. @default a new array
   */
  constructor(
    layout: Layout,
    sliceSamples: readonly number[],
    dense: Float32Array<ArrayBuffer> = new Float32Array(layout.denseElements),
  ) {
    this.#layout = layout;
    this.#sliceSamples = sliceSamples;
    this.#dense = dense;
    this.#attempts = sliceSamples.map(() => new Map());
  }

  /** Samples of the global batch. */
  get rows(): number {
    return this.#sliceSamples.reduce((total, samples) => total + samples, 0);
  }

  /** Samples of a slice of the step; 0 for one that there is not. */
  samplesOf(slice: SliceId): number {
    return this.#sliceSamples[slice] ?? 0;
  }

  /**
   * Adds a piece of the coordinator's, or of this worker's own factors.
   *
   * @throws LockstepError ERR_CHUNK if it does not fit
   */
  add({ values, ...place }: Piece): void {
    this.claim(place, values.length).set(values);
  }

  /**
   * Returns where the numbers of a piece belong, for a caller who decodes them there. From then on they count as there.
   *
   * @param count how many there are. @default as many as there must be
   * @throws LockstepError ERR_CHUNK if no such piece is expected
   */
  claim(place: PiecePlace, count?: number): Float32Array<ArrayBuffer> {
    const { slice, attempt, part, offset } = place;
    const factors = part === 0 ? undefined : this.#factorsOf(slice, attempt);
    const target = part === 0 ? this.#dense : factors?.parts[part];
    const received = part === 0 ? this.#sums : factors?.received[part];
    const elements = chunkLength(this.#layout, target?.length ?? 0, offset);
    const isExpected = elements !== undefined && elements === (count ?? elements);
    if (!target || !received || !isExpected || received.has(offset)) throw misplaced(place);
    received.add(offset);
    return target.subarray(offset, offset + elements);
  }

  /** Forgets an attempt, and the sums that had it in them. */
  withdraw({ slice, attempt, again }: { slice: SliceId; attempt: number; again: readonly number[] }): void {
    for (const offset of again) this.#sums.delete(offset);
    this.#attempts[slice]?.delete(attempt);
  }

  /**
   * Reads parts for all rows of the batch; the rows of a factor are in slice order. Part 0 is the array that was given,
   * factors are copies.
   *
   * @param attempts that the commit is made of, by slice
   * @throws LockstepError ERR_COMMIT if not all of them has come
   */
  complete(step: Step, attempts: readonly number[]): (part: number) => Float32Array<ArrayBuffer> {
    const chosen = this.#sliceSamples.map((_, slice) => this.#attempts[slice]!.get(attempts[slice]!));
    const hasFactors = this.#layout.rowElements.length > 1;
    const hasSums = chunkOffsets(this.#layout, this.#layout.denseElements).every((offset) => this.#sums.has(offset));
    const isComplete = chosen.every((factors) => !hasFactors || (factors && this.#isComplete(factors)));
    if (!hasSums || !isComplete || attempts.length !== chosen.length) {
      throw new LockstepError("ERR_COMMIT", `Step ${step} was committed before all of it had come.`);
    }
    return (part) => (part === 0 ? this.#dense : concat(chosen.map((factors) => factors!.parts[part]!)));
  }

  /**
   * Returns a factor part for all rows, as `complete` would, if it has come from every slice; and the attempts, by
   * slice, that it is made of. They may turn out to be others in the end.
   */
  completeFactor(part: number): { attempts: number[]; values: Float32Array<ArrayBuffer> } | undefined {
    const chosen = this.#attempts.map((attempts) =>
      [...attempts].findLast(([, factors]) => this.#hasPart(factors, part)),
    );
    if (chosen.includes(undefined)) return undefined;
    return {
      attempts: chosen.map((found) => found![0]),
      values: concat(chosen.map((found) => found![1].parts[part]!)),
    };
  }

  #factorsOf(slice: SliceId, attempt: number): Factors | undefined {
    const attempts = this.#attempts[slice];
    const known = attempts?.get(attempt);
    if (attempts === undefined || known !== undefined || attempts.size === MAX_ATTEMPTS) return known;
    const samples = this.#sliceSamples[slice]!;
    const parts = this.#layout.rowElements.map((_, part) =>
      part === 0 ? new Float32Array() : new Float32Array(partElements(this.#layout, part, samples)),
    );
    const factors = { parts, received: parts.map(() => new Set<number>()) };
    attempts.set(attempt, factors);
    return factors;
  }

  #isComplete(factors: Factors): boolean {
    return factors.parts.every((_, part) => this.#hasPart(factors, part));
  }

  #hasPart({ parts, received }: Factors, part: number): boolean {
    return received[part]!.size === chunkOffsets(this.#layout, parts[part]!.length).length;
  }
}

function concat(arrays: Float32Array[]): Float32Array<ArrayBuffer> {
  const target = new Float32Array(arrays.reduce((total, { length }) => total + length, 0));
  let offset = 0;
  for (const array of arrays) {
    target.set(array, offset);
    offset += array.length;
  }
  return target;
}

function misplaced({ slice, part, offset }: PiecePlace): LockstepError {
  return new LockstepError("ERR_CHUNK", `No such chunk is expected at ${offset} of part ${part} of slice ${slice}.`);
}
