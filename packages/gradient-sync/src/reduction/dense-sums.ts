/** The sums of the dense part over all slices of a step, chunk by chunk. */
import { chunkOffsets, type Layout } from "../layout/layout.ts";
import { encodeFloats, type WireFloats } from "../layout/wire.ts";
import type { SliceId } from "../protocol/ids.ts";
import type { BufferPool } from "./buffer-pool.ts";

type Values = Float32Array<ArrayBuffer>;

/** A chunk of the dense part as numbers; the offset in elements. */
export interface DenseChunk {
  offset: number;
  values: Values;
}

/** Options of the sums of a step. */
export interface DenseSumsOptions {
  slices: number;
  layout: Layout;
  /** Whether sums with many zeros go out packed. */
  packing: boolean;
  /** Takes back the buffers of chunks that were added. */
  pool: BufferPool;
}

/** Adds dense chunks in slice order, as soon as those of all slices have come. */
export class DenseSums {
  readonly #options: DenseSumsOptions;
  /** Number of sums when all have gone out. */
  readonly #chunks: number;
  /** Chunks that wait for those of other slices: by offset, then by slice. */
  readonly #waiting = new Map<number, (Values | undefined)[]>();
  /** Offsets whose sums have gone out. */
  readonly #summed = new Set<number>();

  constructor(options: DenseSumsOptions) {
    this.#options = options;
    this.#chunks = chunkOffsets(options.layout, options.layout.denseElements).length;
  }

  /** Takes over a chunk of a slice. @returns the encoded sum at its offset, if this was the last one that it lacked */
  add(slice: SliceId, { offset, values }: DenseChunk): WireFloats | undefined {
    const chunks = this.#waiting.get(offset) ?? new Array<Values | undefined>(this.#options.slices).fill(undefined);
    this.#waiting.set(offset, chunks);
    chunks[slice] = values;
    if (chunks.includes(undefined)) return undefined;
    this.#waiting.delete(offset);
    this.#summed.add(offset);
    return this.#encodedSum(chunks);
  }

  /** Takes the chunks of a slice out of all sums. @returns the offsets of those that are to be made again */
  withdraw(slice: SliceId): number[] {
    for (const chunks of this.#waiting.values()) chunks[slice] = undefined;
    const again = [...this.#summed];
    this.#summed.clear();
    return again;
  }

  /** Whether all sums have gone out. */
  get areComplete(): boolean {
    return this.#summed.size === this.#chunks;
  }

  /** Bytes of chunks that wait. */
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
    if (sum.data.buffer !== total.buffer) pool.release(total); // else the message is a view of it
    return sum;
  }
}

/** Adds numbers, four at a time since V8 unrolls no loops. Each sum is rounded to float32, so their order shows. */
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
