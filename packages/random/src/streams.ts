/**
 * Named random streams. A number is addressed by (seed, stream, place, index): the numbers for sample 7 of step 12
 * depend neither on earlier draws nor on the machine.
 */
// biome-ignore-all lint/style/noNonNullAssertion: indexes stay within bounds, and a check would slow these loops
import { philoxBlock } from "./philox.ts";

/** The key of each stream, so that no two uses share random numbers. The keys are part of the arithmetic version. */
const STREAM_KEYS = { init: 1, split: 2, order: 3, augment: 4, dropout: 5, shapes: 6 } as const;

/** The name of a stream. Streams are independent of each other. */
export type Stream = keyof typeof STREAM_KEYS;

/** The upper three words of the counter, which identify the use of the numbers, for example (layer, sample, step). */
export type Place = readonly [number, number, number];

/**
 * Fills `out` with the 32-bit words number `first`, `first + 1`, … of a stream at a place, and returns it.
 *
 * @param seed an integer from 0 to 2³² − 1
 * @param first index of the first word; a multiple of 4
 */
export function randomWords(seed: number, stream: Stream, place: Place, out: Uint32Array, first = 0): Uint32Array {
  const key = [seed | 0, STREAM_KEYS[stream]] as const;
  const [a, b, c] = place;
  const unrolled = out.length - (out.length % 4);
  for (let i = 0; i < unrolled; i += 4) philoxBlock([(first + i) / 4, a, b, c], key, out, i);
  if (unrolled < out.length) {
    const last = new Uint32Array(4);
    philoxBlock([(first + unrolled) / 4, a, b, c], key, last);
    out.set(last.subarray(0, out.length - unrolled), unrolled);
  }
  return out;
}

/** Returns `count` uniform numbers in [0, 1), each a multiple of 2⁻²⁴, which is exact in float32. */
export function uniforms(seed: number, stream: Stream, place: Place, count: number): Float32Array<ArrayBuffer> {
  const words = randomWords(seed, stream, place, new Uint32Array(count));
  const out = new Float32Array(count);
  for (let i = 0; i < count; i++) out[i] = words[i]! >>> 8;
  for (let i = 0; i < count; i++) out[i] = out[i]! * 2 ** -24;
  return out;
}

/**
 * Returns `count` numbers from N(0, 1), by the Box–Muller transform of pairs of uniform numbers (Box and Muller, 1958).
 */
export function normals(seed: number, stream: Stream, place: Place, count: number): Float32Array<ArrayBuffer> {
  const words = randomWords(seed, stream, place, new Uint32Array(count + (count % 2)));
  const out = new Float32Array(count);
  for (let i = 0; i < count; i += 2) {
    const radius = Math.sqrt(-2 * Math.log((words[i]! + 1) * 2 ** -32));
    const angle = 2 * Math.PI * words[i + 1]! * 2 ** -32;
    out[i] = radius * Math.cos(angle);
    if (i + 1 < count) out[i + 1] = radius * Math.sin(angle);
  }
  return out;
}

/** Returns a permutation of 0 … count − 1, by the Fisher–Yates shuffle. Its bias is below count · 2⁻³². */
export function permutation(seed: number, stream: Stream, place: Place, count: number): Uint32Array<ArrayBuffer> {
  const words = randomWords(seed, stream, place, new Uint32Array(count));
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor((words[i]! / 2 ** 32) * (i + 1));
    const swapped = order[i]!;
    order[i] = order[j]!;
    order[j] = swapped;
  }
  return order;
}
