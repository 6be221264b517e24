/** Checks the chunks that come off the wire, and decodes them. */
import { LockstepError } from "@lockstep/errors";
import { chunkLength, chunkOffsets, type Layout, partElements } from "../layout/layout.ts";
import { decodeInto } from "../layout/wire.ts";
import type { BufferPool } from "./buffer-pool.ts";
import type { Chunk } from "./outgoing.ts";

/** Decodes the chunks of a step by its layout. */
export class ChunkDecoder {
  readonly #layout: Layout;
  readonly #pool: BufferPool;

  /** @param pool buffers that chunks are decoded into: dense ones to keep, factors only to check */
  constructor(layout: Layout, pool: BufferPool) {
    this.#layout = layout;
    this.#pool = pool;
  }

  /** Returns the elements of a chunk of a slice of so many samples; undefined if none begins there. */
  elementsOf({ part, offset }: Chunk, samples: number): number | undefined {
    return chunkLength(this.#layout, partElements(this.#layout, part, samples), offset);
  }

  /**
   * Returns the numbers of a chunk, or why they are refused. Factors lie in the scratch buffer, until the next call.
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

  /** Tells whether these are the offsets of all chunks, by part, of a slice of so many samples. */
  hasAllChunks(received: readonly ReadonlySet<number>[], samples: number): boolean {
    return received.every((offsets, part) => {
      return offsets.size === chunkOffsets(this.#layout, partElements(this.#layout, part, samples)).length;
    });
  }
}
