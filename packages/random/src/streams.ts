/**
 * Named random streams. A draw is addressed by (seed, stream, place, index): what is drawn for sample 7 of step 12
 * never depends on what was drawn before it, or on which machine draws it.
 */
import { philoxBlock } from "./philox.ts";

/** Each use of chance has a key of its own, so that no two share numbers. The numbers are part of the format. */
const STREAM_KEYS = { init: 1, split: 2, order: 3, augment: 4, dropout: 5, shapes: 6 } as const;

/** The name of a stream of random numbers; each is independent of the others. */
export type Stream = keyof typeof STREAM_KEYS;

/** The upper three counter words: what the numbers are for, for example (layer, sample, step). */
export type Place = readonly [number, number, number];

/**
 * Random 32-bit words number `first`, `first + 1`, … of a stream at a place.
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

/** `count` uniform numbers in [0, 1), each a multiple of 2⁻²⁴ and so exact in float32. */
export function uniforms(seed: number, stream: Stream, place: Place, count: number): Float32Array<ArrayBuffer> {
  const words = randomWords(seed, stream, place, new Uint32Array(count));
  const out = new Float32Array(count);
  for (let i = 0; i < count; i++) out[i] = words[i]! >>> 8;
  for (let i = 0; i < count; i++) out[i] = out[i]! * 2 ** -24;
  return out;
}

/** `count` numbers from N(0, 1) by the Box–Muller transform (Box and Muller, 1958), in pairs of uniforms. */
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

/** A permutation of 0 … count − 1 by Fisher and Yates' shuffle. Its bias is below count · 2⁻³². */
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
