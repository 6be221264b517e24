/** Sums the dense parts of all subtrees of a step, chunk by chunk. */
// biome-ignore-all lint/style/noNonNullAssertion: indexes stay within bounds, and a check would slow these loops
import { chunkOffsets, type Layout } from "../layout/layout.ts";
import { encodeFloats, type WireFloats } from "../layout/wire.ts";
import type { SubtreeId } from "../protocol/ids.ts";
import type { BufferPool } from "./buffer-pool.ts";
import { TreeSum } from "./tree-sum.ts";

type Values = Float32Array<ArrayBuffer>;

/** A decoded chunk of the dense part; the offset counts elements. */
export interface DenseChunk {
  offset: number;
  values: Values;
}

/** Options of `DenseSums`. */
export interface DenseSumsOptions {
  /** Number of slices of each subtree of the step. */
  subtreeSlices: readonly number[];
  layout: Layout;
  /** Whether to pack sums with many zeros. */
  packing: boolean;
  /** Receives the buffers of chunks that have been added. */
  pool: BufferPool;
}

/** Adds dense chunks in the order of the tree, as soon as the chunks of all subtrees have arrived. */
export class DenseSums {
  readonly #options: DenseSumsOptions;
  /** Number of chunks of the dense part. */
  readonly #chunks: number;
  /** Chunks that wait for those of other subtrees, by offset and then by subtree. */
  readonly #waiting = new Map<number, (Values | undefined)[]>();
  /** Offsets whose sums have been returned. */
  readonly #summed = new Set<number>();

  constructor(options: DenseSumsOptions) {
    this.#options = options;
    this.#chunks = chunkOffsets(options.layout, options.layout.denseElements).length;
  }

  /**
   * Adds a chunk of a subtree and takes ownership of its buffer.
   *
   * @returns the encoded sum, if this was the last missing chunk
   */
  add(subtree: SubtreeId, { offset, values }: DenseChunk): WireFloats | undefined {
    const { subtreeSlices } = this.#options;
    const chunks = this.#waiting.get(offset) ?? subtreeSlices.map((): Values | undefined => undefined);
    this.#waiting.set(offset, chunks);
    chunks[subtree] = values;
    if (!chunks.every((chunk) => chunk !== undefined)) return undefined;
    this.#waiting.delete(offset);
    this.#summed.add(offset);
    return this.#encodedSum(chunks);
  }

  /** Removes the chunks of a subtree from all sums. @returns the offsets of the sums that must be computed again */
  withdraw(subtree: SubtreeId): number[] {
    for (const chunks of this.#waiting.values()) chunks[subtree] = undefined;
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

  /** Adds the chunks of all subtrees, in slice order. */
  #encodedSum(chunks: readonly Values[]): WireFloats {
    const { layout, packing, pool, subtreeSlices } = this.#options;
    const tree = new TreeSum<Values>((left, right) => {
      addTo(left, right);
      pool.release(right);
      return left;
    });
    for (const [subtree, values] of chunks.entries()) tree.add(values, subtreeSlices[subtree]);
    const total = tree.total();
    const sum = encodeFloats(total, layout.wire, { packing });
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
