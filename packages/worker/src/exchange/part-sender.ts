/** Cuts one part of a contribution into chunks, and sends each as soon as it is complete. */
import { chunkLength, chunkOffsets, type Layout } from "@lockstep/gradient-sync";

/** Sends a chunk of a part. The offset counts elements. */
export type SendChunk = (offset: number, values: Float32Array<ArrayBuffer>) => void;

/** A part of a contribution, whose numbers arrive tensor by tensor and in any order. */
export class PartSender {
  readonly #layout: Layout;
  readonly #elements: number;
  readonly #send: SendChunk;
  /** Values as they arrived, with their start in the part. */
  readonly #pieces: { start: number; values: Float32Array }[] = [];
  /** Elements that each chunk still misses. */
  readonly #missing: Map<number, number>;

  /** @param elements number of elements of the part */
  constructor(layout: Layout, elements: number, send: SendChunk) {
    this.#layout = layout;
    this.#elements = elements;
    this.#send = send;
    this.#missing = new Map(chunkOffsets(layout, elements).map((offset) => [offset, this.#lengthAt(offset)]));
  }

  /** Adds the numbers from `start` on, and sends the chunks that they complete. It keeps the array. */
  add(start: number, values: Float32Array): void {
    const { chunkElements } = this.#layout;
    this.#pieces.push({ start, values });
    const end = start + values.length;
    for (let offset = start - (start % chunkElements); offset < end; offset += chunkElements) {
      const added = Math.min(end, offset + chunkElements) - Math.max(start, offset);
      const missing = (this.#missing.get(offset) ?? 0) - added;
      this.#missing.set(offset, missing);
      if (missing === 0) this.#sendAt(offset);
    }
  }

  /** Sends those chunks again that were sent before. */
  resend(offsets: readonly number[]): void {
    for (const offset of new Set(offsets)) if (this.#missing.get(offset) === 0) this.#sendAt(offset);
  }

  #sendAt(offset: number): void {
    const chunk = new Float32Array(this.#lengthAt(offset));
    for (const { start, values } of this.#pieces) {
      const from = Math.max(start, offset);
      const until = Math.min(start + values.length, offset + chunk.length);
      if (from < until) chunk.set(values.subarray(from - start, until - start), from - offset);
    }
    this.#send(offset, chunk);
  }

  #lengthAt(offset: number): number {
    return chunkLength(this.#layout, this.#elements, offset) ?? 0;
  }
}
