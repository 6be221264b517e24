/** Sums the dense parts of all slices of a step, chunk by chunk. */
// biome-ignore-all lint/style/noNonNullAssertion: indexes stay within bounds, and a check would slow these loops
import { chunkOffsets, type Layout } from "../layout/layout.ts";
import { encodeFloats, type WireFloats } from "../layout/wire.ts";
import type { SliceId } from "../protocol/ids.ts";
import type { BufferPool } from "./buffer-pool.ts";

type Values = Float32Array<ArrayBuffer>;

/** A decoded chunk of the dense part; the offset counts elements. */
export interface DenseChunk {
  offset: number;
  values: Values;
}

/** Options of `DenseSums`. */
export interface DenseSumsOptions {
  /** Number of slices of the step. */
  slices: number;
  layout: Layout;
  /** Whether to pack sums with many zeros. */
  packing: boolean;
  /** Receives the buffers of chunks that have been added. */
  pool: BufferPool;
}

/** Adds dense chunks in slice order, as soon as the chunks of all slices have arrived. */
export class DenseSums {
  readonly #options: DenseSumsOptions;
  /** Number of chunks of the dense part. */
  readonly #chunks: number;
  /** Chunks that wait for those of other slices, by offset and then by slice. */
  readonly #waiting = new Map<number, (Values | undefined)[]>();
  /** Offsets whose sums have been returned. */
  readonly #summed = new Set<number>();

  constructor(options: DenseSumsOptions) {
    this.#options = options;
    this.#chunks = chunkOffsets(options.layout, options.layout.denseElements).length;
  }

  /**
   * Adds a chunk of a slice and takes ownership of its buffer.
   *
   * @returns the encoded sum, if this was the last missing chunk
   */
  add(slice: SliceId, { offset, values }: DenseChunk): WireFloats | undefined {
    const chunks = this.#waiting.get(offset) ?? new Array<Values | undefined>(this.#options.slices).fill(undefined);
    this.#waiting.set(offset, chunks);
    chunks[slice] = values;
    if (chunks.includes(undefined)) return undefined;
    this.#waiting.delete(offset);
    this.#summed.add(offset);
    return this.#encodedSum(chunks);
  }

  /** Removes the chunks of a slice from all sums. @returns the offsets of the sums that must be computed again */
  withdraw(slice: SliceId): number[] {
    for (const chunks of this.#waiting.values()) chunks[slice] = undefined;
    const again = [...this.#summed];
    this.#summed.clear();
    return again;
  }

  /** Whether all sums have been returned. */
  get areComplete(): boolean {
    return this.#summed.size === this.#chunks;
  }

  /** Bytes of waiting chunks. */
  get bufferedBytes(): number {
    const waiting = [...this.#waiting.values()].flat();
    return waiting.reduce((bytes, values) => bytes + (values?.byteLength ?? 0), 0);
  }

  /** Computes ((a + b) + c) + …, in slice order. */
  #encodedSum(chunks: readonly (Values | undefined)[]): WireFloats | undefined {
    const { layout, packing, pool } = this.#options;
    let total: Values | undefined;
    for (const values of chunks) {
      if (values === undefined || total === undefined) {
        total ??= values;
        continue;
      }
      addTo(total, values);
      pool.release(values);
    }
    if (total === undefined) return undefined;
    const sum = encodeFloats(total, layout.wire, packing);
    if (sum.data.buffer !== total.buffer) pool.release(total); // otherwise the message is a view of it
    return sum;
  }
}

/** Adds `other` to `total`, unrolled by hand because V8 does not. Each sum rounds to float32, so the order matters. */
function addTo(total: Values, other: Values): void {
  const unrolled = total.length - (total.length % 4);
  for (let i = 0; i < unrolled; i += 4) {
    total[i] = total[i]! + other[i]!;
    total[i + 1] = total[i + 1]! + other[i + 1]!;
    total[i + 2] = total[i + 2]! + other[i + 2]!;
    total[i + 3] = total[i + 3]! + other[i + 3]!;
  }
  for (let i = unrolled; i < total.length; i++) total[i] = total[i]! + other[i]!;
}
