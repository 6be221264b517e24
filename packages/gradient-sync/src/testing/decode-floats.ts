/** For tests: decodes the numbers of a chunk. */
import { decodeInto, type Wire } from "../layout/wire.ts";

/**
 * Decodes the result of `encodeFloats` into a new array.
 *
 * @param elements expected number of numbers
 * @throws LockstepError ERR_CHUNK if the bytes hold another number of them
 */
export function decodeFloats(
  floats: Parameters<typeof decodeInto>[1],
  elements: number,
  wire: Wire,
): Float32Array<ArrayBuffer> {
  const decoded = new Float32Array(elements);
  decodeInto(decoded, floats, wire);
  return decoded;
}
