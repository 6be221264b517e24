/**
 * Arrays that chunks were added up in, for the chunks of later steps: the system clears the memory of a new one, and V8
 * collects it later, which together take as long as the sum.
 */
export class SpareArrays {
  /** By length, of which there are few: that of a chunk, and of the last one of each part. */
  readonly #arrays = new Map<number, Float32Array<ArrayBuffer>[]>();

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
}
