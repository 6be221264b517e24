/**
 * Arrays that dense chunks were decoded into, for those of later steps: the system clears the memory of a new one, and V8
 * collects it later, which together take as long as the sum. There are as many as were once needed at the same time;
 * and one for chunks that are only looked at.
 */
export class SpareArrays {
  /** By length, of which there are two: that of a chunk, and of the last one. */
  readonly #arrays = new Map<number, Float32Array<ArrayBuffer>[]>();
  /** As large as the largest that was asked for. */
  #scratch = new Float32Array();

  /** An array of so many numbers, whatever they are. */
  take(elements: number): Float32Array<ArrayBuffer> {
    return this.#arrays.get(elements)?.pop() ?? new Float32Array(elements);
  }

  /** Takes back one that nobody reads any more. */
  giveBack(array: Float32Array<ArrayBuffer>): void {
    const alike = this.#arrays.get(array.length);
    if (alike === undefined) this.#arrays.set(array.length, [array]);
    else alike.push(array);
  }

  /** An array of so many numbers, whatever they are, to be read before the next is asked for. */
  scratch(elements: number): Float32Array<ArrayBuffer> {
    if (this.#scratch.length < elements) this.#scratch = new Float32Array(elements);
    return this.#scratch.subarray(0, elements);
  }
}
