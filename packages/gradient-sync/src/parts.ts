/** Puts the pieces of parts together as they come. */
import { LockstepError } from "@lockstep/errors";

/** One part of a contribution, or of an update, while its chunks arrive. */
export class PartAssembly {
  readonly values: Float32Array<ArrayBuffer>;
  #elements = 0;
  readonly #offsets = new Set<number>();

  constructor(elements: number) {
    this.values = new Float32Array(elements);
  }

  /** @throws LockstepError ERR_CHUNK for a piece that lies outside, or that is more than was to come */
  add(offset: number, piece: Float32Array): void {
    const isBeyond = Math.max(offset, this.#elements) + piece.length > this.values.length;
    if (isBeyond || this.#offsets.has(offset)) {
      throw new LockstepError(
        "ERR_CHUNK",
        `Expected chunks of ${this.values.length} elements in all, got ${piece.length} at ${offset} after ${this.#elements}.`,
      );
    }
    this.#offsets.add(offset);
    this.values.set(piece, offset);
    this.#elements += piece.length;
  }

  get complete(): boolean {
    return this.#elements === this.values.length;
  }
}
