/** The buffers that chunks of gradients are decoded into, kept from one step for the next. */

/**
 * Reuses the buffers of dense chunks: the system clears the memory of a new one and V8 collects it later, which
 * together take as long as the sum. It holds as many as were once needed at the same time, and one for chunks that are
 * only read.
 */
export class BufferPool {
  /** Free buffers by length, of which there are two: that of a chunk, and that of the last one. */
  readonly #free = new Map<number, Float32Array<ArrayBuffer>[]>();
  /** The shared buffer, as long as the longest that was asked for. */
  #scratch = new Float32Array();

  /** Returns a buffer of `elements` numbers with any content. It is the caller's until `release`. */
  acquire(elements: number): Float32Array<ArrayBuffer> {
    return this.#free.get(elements)?.pop() ?? new Float32Array(elements);
  }

  /** Takes back a buffer that nobody reads any more. */
  release(buffer: Float32Array<ArrayBuffer>): void {
    const free = this.#free.get(buffer.length);
    if (free === undefined) this.#free.set(buffer.length, [buffer]);
    else free.push(buffer);
  }

  /** Returns the one shared buffer at a length of `elements`, with any content; the next call gives it away again. */
  scratch(elements: number): Float32Array<ArrayBuffer> {
    if (this.#scratch.length < elements) this.#scratch = new Float32Array(elements);
    return this.#scratch.subarray(0, elements);
  }
}
