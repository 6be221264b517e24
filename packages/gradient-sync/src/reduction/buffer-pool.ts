/** A pool of buffers for decoded gradient chunks, which are reused from step to step. */

/**
 * Reuses the buffers of dense chunks. Without it, clearing the memory of new buffers and collecting them later would
 * take as long as the sum. The pool grows to the largest number of buffers in use at the same time, plus one scratch
 * buffer for chunks that are only checked.
 */
export class BufferPool {
  /** Free buffers by length. There are two lengths: that of a full chunk, and that of the last chunk. */
  readonly #free = new Map<number, Float32Array<ArrayBuffer>[]>();
  /** The shared scratch buffer, as long as the longest request so far. */
  #scratch = new Float32Array();

  /** Returns a buffer of `elements` numbers with arbitrary content, which belongs to the caller until `release`. */
  acquire(elements: number): Float32Array<ArrayBuffer> {
    return this.#free.get(elements)?.pop() ?? new Float32Array(elements);
  }

  /** Returns a buffer to the pool. The caller must not use it afterwards. */
  release(buffer: Float32Array<ArrayBuffer>): void {
    const free = this.#free.get(buffer.length);
    if (free === undefined) this.#free.set(buffer.length, [buffer]);
    else free.push(buffer);
  }

  /**
   * Returns the first `elements` numbers of the scratch buffer, with arbitrary content. They are valid until the next
   * call.
   */
  scratch(elements: number): Float32Array<ArrayBuffer> {
    if (this.#scratch.length < elements) this.#scratch = new Float32Array(elements);
    return this.#scratch.subarray(0, elements);
  }
}
