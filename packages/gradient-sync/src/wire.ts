/**
 * Numbers on the wire: float32 as it is, or bf16, its upper half. A piece in which many numbers are exactly 0, as ReLU
 * and dropout leave them, travels packed: a bit for each number, then those that are not 0. Packing loses nothing.
 */
import { LockstepError } from "@lockstep/errors";

export type Wire = "fp32" | "bf16";

export const BYTES_PER_ELEMENT: Record<Wire, number> = { fp32: 4, bf16: 2 };

/** Little-endian numbers as bytes; packed, after a bit map that is filled up to whole words of 4 bytes. */
export interface WireFloats {
  data: Uint8Array<ArrayBuffer>;
  packed: boolean;
}

/** Packing must save at least this share of the bytes: it costs both ends a pass. */
const WORTH_PACKING = 1 / 8;

/**
 * The numbers as bytes, which may be a view of them. bf16 rounds to the nearest, ties to even; NaN stays NaN.
 */
export function encodeFloats(values: Float32Array<ArrayBuffer>, wire: Wire): WireFloats {
  const words = wire === "fp32" ? wordsOf(values) : toHalves(values);
  const bitmapBytes = bitmapBytesOf(words.length);
  let nonzero = 0;
  for (let i = 0; i < words.length; i++) if (words[i] !== 0) nonzero++;
  const packedBytes = bitmapBytes + nonzero * words.BYTES_PER_ELEMENT;
  if (packedBytes > (1 - WORTH_PACKING) * words.byteLength) {
    return { data: new Uint8Array(words.buffer, words.byteOffset, words.byteLength), packed: false };
  }
  const data = new Uint8Array(packedBytes);
  const kept = new (wire === "fp32" ? Uint32Array : Uint16Array)(data.buffer, bitmapBytes, nonzero);
  let next = 0;
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    if (word === 0) continue;
    data[i >>> 3]! |= 1 << (i & 7);
    kept[next++] = word;
  }
  return { data, packed: true };
}

/**
 * The inverse, into an array of its own: what comes off the wire may lie at any offset.
 *
 * @param elements how many numbers must be there
 * @throws LockstepError ERR_CHUNK if there are more or fewer
 */
export function decodeFloats(
  { data, packed }: { data: Uint8Array; packed: boolean },
  elements: number,
  wire: Wire,
): Float32Array<ArrayBuffer> {
  const bytesEach = BYTES_PER_ELEMENT[wire];
  const bitmapBytes = packed ? bitmapBytesOf(elements) : 0;
  const copy = new Uint8Array(data);
  const nonzero = packed ? ones(copy.subarray(0, bitmapBytes), elements) : elements;
  if (nonzero < 0 || copy.length !== bitmapBytes + nonzero * bytesEach) {
    throw new LockstepError("ERR_CHUNK", `Expected ${elements} numbers of ${wire}, got ${data.length} other bytes.`);
  }
  const words = new (wire === "fp32" ? Uint32Array : Uint16Array)(copy.buffer, bitmapBytes, nonzero);
  if (wire === "fp32" && !packed) return new Float32Array(copy.buffer, 0, elements);
  const bits = new Uint32Array(elements);
  const shift = wire === "bf16" ? 16 : 0;
  if (!packed) for (let i = 0; i < elements; i++) bits[i] = words[i]! << shift;
  else {
    let next = 0;
    for (let i = 0; i < elements; i++) if ((copy[i >>> 3]! >>> (i & 7)) & 1) bits[i] = words[next++]! << shift;
  }
  return new Float32Array(bits.buffer);
}

/** An array of float32 as pieces of at most `chunkBytes`, neither rounded nor packed: states travel so. */
export function* chunksOf(
  values: Float32Array,
  chunkBytes: number,
): Generator<{ offset: number; data: Uint8Array<ArrayBuffer> }> {
  const elements = Math.floor(chunkBytes / BYTES_PER_ELEMENT.fp32);
  for (let offset = 0; offset < values.length; offset += elements) {
    yield { offset, data: new Uint8Array(values.slice(offset, offset + elements).buffer) };
  }
}

/** The inverse, for one piece: a copy, since what comes off the wire may lie at any offset. */
export function rawFloats(data: Uint8Array): Float32Array<ArrayBuffer> {
  return new Float32Array(new Uint8Array(data).buffer, 0, Math.floor(data.length / 4));
}

/** What the numbers are after the wire, in place. */
export function roundToWire(values: Float32Array, wire: Wire): void {
  if (wire === "fp32") return;
  const halves = toHalves(values);
  const bits = wordsOf(values);
  for (let i = 0; i < bits.length; i++) bits[i] = halves[i]! << 16;
}

/** Whether none is NaN or infinite. */
export function allFinite(values: Float32Array): boolean {
  const bits = wordsOf(values);
  for (let i = 0; i < bits.length; i++) if ((bits[i]! & 0x7f800000) === 0x7f800000) return false;
  return true;
}

function wordsOf<B extends ArrayBufferLike>(values: Float32Array<B>): Uint32Array<B> {
  return new Uint32Array(values.buffer, values.byteOffset, values.length);
}

function toHalves(values: Float32Array): Uint16Array<ArrayBuffer> {
  const bits = wordsOf(values);
  const halves = new Uint16Array(values.length);
  for (let i = 0; i < bits.length; i++) {
    const b = bits[i]!;
    const isNan = (b & 0x7fffffff) > 0x7f800000;
    halves[i] = isNan ? (b >>> 16) | 0x40 : (b + 0x7fff + ((b >>> 16) & 1)) >>> 16;
  }
  return halves;
}

const bitmapBytesOf = (elements: number) => 4 * Math.ceil(elements / 32);

/** How many bits are set; −1 if one beyond the first `elements` is, which nobody may send. */
function ones(bitmap: Uint8Array, elements: number): number {
  for (let i = elements; i < 8 * bitmap.length; i++) if ((bitmap[i >>> 3]! >>> (i & 7)) & 1) return -1;
  let count = 0;
  for (const byte of bitmap) for (let rest = byte; rest !== 0; rest &= rest - 1) count++;
  return count;
}
