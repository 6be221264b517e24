/**
 * Assembles the update of one step on a worker: the sum of the dense parts, and the factors of every subtree. Factors
 * are stored by subtree and attempt until the commit names one attempt per subtree.
 */
import { at, LockstepError } from "@lockstep/errors";
import { chunkLength, chunkOffsets, type Layout, partElements } from "../layout/layout.ts";
import type { Step, SubtreeId } from "../protocol/ids.ts";

/** Maximum number of attempts per subtree whose factors are stored: the primary one, and some of this worker's own. */
const MAX_STORED_ATTEMPTS = 8;

/** The place of a chunk in the update. */
interface PiecePlace {
  subtree: SubtreeId;
  attempt: number;
  part: number;
  /** In elements of the part. */
  offset: number;
}

/** A decoded chunk of the update, and its place. */
export interface Piece extends PiecePlace {
  values: Float32Array;
}

/** The factors of one attempt at a subtree, by part. Part 0 is empty. */
interface Factors {
  parts: Float32Array<ArrayBuffer>[];
  /** Received offsets of each part. */
  received: Set<number>[];
}

/** Assembles the update of one step from chunks in any order. */
export class StepAssembly {
  readonly #layout: Layout;
  readonly #subtreeSamples: readonly number[];
  readonly #dense: Float32Array<ArrayBuffer>;
  /** Received offsets of the sums. */
  readonly #sums = new Set<number>();
  /** The factors of each subtree, by attempt. */
  readonly #attempts: Map<number, Factors>[];

  /**
   * @param subtreeSamples number of samples of every subtree of the step, in slice order
   * @param dense receives the sums; its initial content is ignored
   */
  constructor(
    layout: Layout,
    subtreeSamples: readonly number[],
    dense: Float32Array<ArrayBuffer> = new Float32Array(layout.denseElements),
  ) {
    this.#layout = layout;
    this.#subtreeSamples = subtreeSamples;
    this.#dense = dense;
    this.#attempts = subtreeSamples.map(() => new Map());
  }

  /** Number of samples of the global batch. */
  get rows(): number {
    return this.#subtreeSamples.reduce((total, samples) => total + samples, 0);
  }

  /** Returns the number of samples of a subtree; 0 if the subtree does not exist. */
  samplesOf(subtree: SubtreeId): number {
    return this.#subtreeSamples[subtree] ?? 0;
  }

  /**
   * Adds a chunk from the coordinator or of this worker's own factors.
   *
   * @throws LockstepError ERR_CHUNK if no such chunk is expected
   */
  add({ values, ...place }: Piece): void {
    this.claim(place, values.length).set(values);
  }

  /**
   * Returns the destination of a chunk, into which the caller decodes its numbers, and marks the chunk as received.
   *
   * @param count number of numbers, if known; it must then be the expected one
   * @throws LockstepError ERR_CHUNK if no such chunk is expected
   */
  claim(place: PiecePlace, count?: number): Float32Array<ArrayBuffer> {
    const { subtree, attempt, part, offset } = place;
    const factors = part === 0 ? undefined : this.#factorsOf(subtree, attempt);
    const target = part === 0 ? this.#dense : factors?.parts[part];
    const received = part === 0 ? this.#sums : factors?.received[part];
    const elements = chunkLength(this.#layout, target?.length ?? 0, offset);
    const isExpected = elements !== undefined && elements === (count ?? elements);
    if (!target || !received || !isExpected || received.has(offset)) throw misplaced(place);
    received.add(offset);
    return target.subarray(offset, offset + elements);
  }

  /** Discards an attempt, and the sums at the offsets `again`, which included it. */
  withdraw({ subtree, attempt, again }: { subtree: SubtreeId; attempt: number; again: readonly number[] }): void {
    for (const offset of again) this.#sums.delete(offset);
    this.#attempts[subtree]?.delete(attempt);
  }

  /**
   * Returns a function that returns a part for all rows of the batch. Part 0 is the array `dense`; factors are copies,
   * with their rows in slice order.
   *
   * @param attempts the committed attempt of each subtree
   * @throws LockstepError ERR_COMMIT if a chunk is missing
   */
  complete(step: Step, attempts: readonly number[]): (part: number) => Float32Array<ArrayBuffer> {
    const chosen = this.#attempts.map((byNumber, subtree) => byNumber.get(attempts[subtree] ?? Number.NaN));
    const complete = chosen.flatMap((factors) => (factors !== undefined && this.#isComplete(factors) ? [factors] : []));
    const hasFactors = this.#layout.rowElements.length > 1;
    const hasSums = chunkOffsets(this.#layout, this.#layout.denseElements).every((offset) => this.#sums.has(offset));
    const isComplete = hasSums && (!hasFactors || complete.length === chosen.length);
    if (!isComplete || attempts.length !== chosen.length) {
      throw new LockstepError("ERR_COMMIT", `Expected all chunks of step ${step} before its commit, got fewer.`);
    }
    return (part) => (part === 0 ? this.#dense : concat(complete.map(({ parts }) => at(parts, part))));
  }

  /**
   * Returns a factor part for all rows, as `complete` would, if it has arrived from every subtree, and the attempts, by
   * subtree, that it consists of. The commit may name other attempts.
   */
  completeFactor(part: number): { attempts: number[]; values: Float32Array<ArrayBuffer> } | undefined {
    const chosen = this.#attempts.map((attempts) =>
      [...attempts].findLast(([, factors]) => this.#hasPart(factors, part)),
    );
    const found = chosen.filter((entry) => entry !== undefined);
    if (found.length < chosen.length) return undefined;
    return {
      attempts: found.map(([attempt]) => attempt),
      values: concat(found.map(([, { parts }]) => at(parts, part))),
    };
  }

  #factorsOf(subtree: SubtreeId, attempt: number): Factors | undefined {
    const attempts = this.#attempts[subtree];
    const known = attempts?.get(attempt);
    if (attempts === undefined || known !== undefined || attempts.size === MAX_STORED_ATTEMPTS) return known;
    const samples = at(this.#subtreeSamples, subtree);
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
    return at(received, part).size === chunkOffsets(this.#layout, at(parts, part).length).length;
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

function misplaced({ subtree, part, offset }: PiecePlace): LockstepError {
  return new LockstepError(
    "ERR_CHUNK",
    `Got an unexpected chunk at offset ${offset} of part ${part} of subtree ${subtree}.`,
  );
}
