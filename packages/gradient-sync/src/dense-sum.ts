/**
 * Adds up the dense parts of all slices, chunk by chunk. A chunk is summed when every slice's has come, in the order
 * of the slices and not of arrival, so the same slices give the same bits.
 */
export class DenseSum {
  readonly #slices: number;
  /** Chunks that wait for those of other slices, by offset, then by slice. */
  readonly #waiting = new Map<number, (Float32Array | undefined)[]>();

  constructor(slices: number) {
    this.#slices = slices;
  }

  /** @returns the sum of the chunk at `offset` when this was the last slice's; the arrays are taken over */
  add(slice: number, offset: number, values: Float32Array<ArrayBuffer>): Float32Array<ArrayBuffer> | undefined {
    const chunks = this.#waiting.get(offset) ?? new Array<Float32Array | undefined>(this.#slices).fill(undefined);
    this.#waiting.set(offset, chunks);
    chunks[slice] = values;
    if (chunks.includes(undefined)) return undefined;
    this.#waiting.delete(offset);
    return sumInOrder(chunks as Float32Array<ArrayBuffer>[]);
  }
}

/** ((a + b) + c) + …, rounded to float32 after each addition. */
function sumInOrder([total, ...others]: Float32Array<ArrayBuffer>[]): Float32Array<ArrayBuffer> {
  for (const other of others) for (let i = 0; i < total!.length; i++) total![i] = total![i]! + other[i]!;
  return total!;
}
