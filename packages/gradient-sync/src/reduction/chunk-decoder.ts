/** Validates and decodes chunks from the wire. */
import { LockstepError } from "@lockstep/errors";
import { chunkLength, chunkOffsets, type Layout, partElements } from "../layout/layout.ts";
import { decodeInto } from "../layout/wire.ts";
import type { BufferPool } from "./buffer-pool.ts";
import type { Chunk } from "./outgoing.ts";

/** Decodes the chunks of a step according to its layout. */
export class ChunkDecoder {
  readonly #layout: Layout;
  readonly #pool: BufferPool;

  /** @param pool provides the buffers for dense chunks, and the scratch buffer for factors, which are only checked */
  constructor(layout: Layout, pool: BufferPool) {
    this.#layout = layout;
    this.#pool = pool;
  }

  /**
   * Returns the length of a chunk of a subtree with this number of samples; undefined if no chunk starts at its offset.
   */
  elementsOf({ part, offset }: Chunk, samples: number): number | undefined {
    return chunkLength(this.#layout, partElements(this.#layout, part, samples), offset);
  }

  /**
   * Returns the numbers of a chunk, or the reason to reject it. Factors are in the scratch buffer, valid until the next
   * call.
   */
  decode(chunk: Chunk, elements: number): Float32Array<ArrayBuffer> | string {
    const values = chunk.part === 0 ? this.#pool.acquire(elements) : this.#pool.scratch(elements);
    try {
      decodeInto(values, chunk, this.#layout.wire);
      return values;
    } catch (error) {
      if (error instanceof LockstepError) return error.message;
      throw error;
    }
  }

  /** Returns whether all chunks of a subtree have been received. @param received offsets by part */
  hasAllChunks(received: readonly ReadonlySet<number>[], samples: number): boolean {
    return received.every((offsets, part) => {
      return offsets.size === chunkOffsets(this.#layout, partElements(this.#layout, part, samples)).length;
    });
  }
}
