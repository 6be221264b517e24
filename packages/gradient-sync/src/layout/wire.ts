/**
 * Encodes numbers for the wire, as float32 or as bf16, its upper half. A chunk in which many numbers are exactly 0, as
 * after ReLU and dropout, is packed: one bit per number, then the numbers that are not 0. Packing is lossless.
 */
// biome-ignore-all lint/style/noNonNullAssertion: indexes stay within bounds, and a check would slow these loops
import { LockstepError } from "@lockstep/errors";

/** The type of numbers on the wire: float32, or bf16, its upper half. */
export type Wire = "fp32" | "bf16";

/** Bytes of one number, before packing. */
export const BYTES_PER_ELEMENT: Record<Wire, number> = { fp32: 4, bf16: 2 };

/** Little-endian numbers as bytes. If packed, they follow a bitmap that is padded to words of 4 bytes. */
export interface WireFloats {
  data: Uint8Array<ArrayBuffer>;
  packed: boolean;
}

/** Minimum share of the bytes that packing must save, because it costs both ends a pass over the numbers. */
const WORTH_PACKING = 1 / 8;

/**
 * Returns whether packing saves time. Packing and unpacking a megabyte takes 2 ms and saves 30 % of it, which is what a
 * link of 150 MB/s carries in 2 ms (docs/performance.md).
 */
export const packingPays = (linkBytesPerSecond: number): boolean => linkBytesPerSecond < 150e6;

/**
 * Encodes numbers as bytes, which may be a view of them. bf16 rounds to nearest, ties to even; NaN remains NaN.
 *
 * @param options.packing whether to pack numbers with many zeros
 */
export function encodeFloats(values: Float32Array<ArrayBuffer>, wire: Wire, { packing = true } = {}): WireFloats {
  const words = wire === "fp32" ? wordsOf(values) : toHalves(values);
  return (packing ? packed(words) : undefined) ?? { data: bytesOf(words), packed: false };
}

/** Returns the packed words, or undefined if packing saves too little. */
function packed(words: Int32Array | Uint16Array): WireFloats | undefined {
  const groups = groupsOf(words.length);
  let nonzero = 0;
  for (let i = 0; i < words.length; i++) nonzero += isNotZero(words[i]!);
  const packedBytes = 4 * groups + nonzero * words.BYTES_PER_ELEMENT;
  if (packedBytes > (1 - WORTH_PACKING) * words.byteLength) return undefined;
  const buffer = new ArrayBuffer(packedBytes + words.BYTES_PER_ELEMENT); // zeros are written too, and then overwritten
  const bitmap = new Int32Array(buffer, 0, groups);
  const nonzeroWords = new (words instanceof Int32Array ? Int32Array : Uint16Array)(buffer, 4 * groups, nonzero + 1);
  let next = 0;
  for (let group = 0; group < groups; group++) {
    let bits = 0;
    for (let i = 32 * group; i < Math.min(32 * (group + 1), words.length); i++) {
      const bit = isNotZero(words[i]!);
      bits |= bit << (i & 31);
      nonzeroWords[next] = words[i]!;
      next += bit;
    }
    bitmap[group] = bits;
  }
  return { data: new Uint8Array(buffer, 0, packedBytes), packed: true };
}

/** Encoded numbers from the wire, at any offset of their buffer. */
type PackedOrNot = { data: Uint8Array; packed: boolean };

/**
 * Decodes the result of `encodeFloats` into an array of the same length, and overwrites its content.
 *
 * @throws LockstepError ERR_CHUNK if the bytes hold another number of numbers; the array's content is then undefined
 */
export function decodeInto(decoded: Float32Array, { data, packed }: PackedOrNot, wire: Wire): void {
  const elements = decoded.length;
  const bytesEach = BYTES_PER_ELEMENT[wire];
  const groups = packed ? groupsOf(elements) : 0;
  const nonzero = packed ? countOnes(data.subarray(0, 4 * groups), elements) : elements;
  if (nonzero === undefined || data.length !== 4 * groups + nonzero * bytesEach) {
    const got = `${data.length} bytes that do not encode them`;
    throw new LockstepError("ERR_CHUNK", `Expected ${elements} numbers of type ${wire}, got ${got}.`);
  }
  const bits = wordsOf(decoded);
  if (wire === "fp32" && !packed) {
    new Uint8Array(bits.buffer, bits.byteOffset, bits.byteLength).set(data);
    return;
  }
  const aligned = data.slice().buffer;
  const words = new (wire === "fp32" ? Int32Array : Uint16Array)(aligned, 4 * groups, nonzero);
  const shift = wire === "bf16" ? 16 : 0;
  if (packed) unpack(bits, words, new Int32Array(aligned, 0, groups), shift);
  else for (let i = 0; i < elements; i++) bits[i] = words[i]! << shift;
}

function unpack(bits: Int32Array, words: Int32Array | Uint16Array, bitmap: Int32Array, shift: number): void {
  bits.fill(0);
  let next = 0;
  for (let group = 0; group < bitmap.length; group++) {
    for (let set = bitmap[group]!; set !== 0; set &= set - 1) {
      bits[32 * group + 31 - Math.clz32(set & -set)] = words[next++]! << shift;
    }
  }
}

/** Splits an array into chunks of at most `chunkBytes`, as exact float32 without packing: the encoding of a state. */
export function* chunksOf(
  values: Float32Array,
  chunkBytes: number,
): Generator<{ offset: number; data: Uint8Array<ArrayBuffer> }> {
  const elements = Math.floor(chunkBytes / BYTES_PER_ELEMENT.fp32);
  for (let offset = 0; offset < values.length; offset += elements) {
    yield { offset, data: new Uint8Array(values.slice(offset, offset + elements).buffer) };
  }
}

/** Decodes one chunk of `chunksOf` into a copy, because bytes from the wire may have any alignment. */
export function rawFloats(data: Uint8Array): Float32Array<ArrayBuffer> {
  return new Float32Array(new Uint8Array(data).buffer, 0, Math.floor(data.length / 4));
}

/** Rounds the numbers, in place, to what they are after the wire. */
export function roundToWire(values: Float32Array, wire: Wire): void {
  if (wire === "fp32") return;
  const halves = toHalves(values);
  const bits = wordsOf(values);
  for (let i = 0; i < bits.length; i++) bits[i] = halves[i]! << 16;
}

/**
 * Returns whether all numbers are finite. The loop is unrolled by hand, because V8 does not unroll it.
 */
export function allFinite(values: Float32Array): boolean {
  const bits = wordsOf(values);
  const unrolled = bits.length - (bits.length % 4);
  for (let i = 0; i < unrolled; i += 4) {
    if (isNotFinite(bits[i]!) || isNotFinite(bits[i + 1]!) || isNotFinite(bits[i + 2]!) || isNotFinite(bits[i + 3]!))
      return false;
  }
  return !bits.subarray(unrolled).some(isNotFinite);
}

/** Returns whether all bits of the exponent are set. */
const isNotFinite = (word: number): boolean => (word & 0x7f800000) === 0x7f800000;

function bytesOf({ buffer, byteOffset, byteLength }: Int32Array<ArrayBuffer> | Uint16Array<ArrayBuffer>) {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** Returns a view of the numbers as signed words, because V8 computes with integers beyond 2³¹ as floats. */
function wordsOf<B extends ArrayBufferLike>(values: Float32Array<B>): Int32Array<B> {
  return new Int32Array(values.buffer, values.byteOffset, values.length);
}

/** Returns 1 or 0 without a branch, because the branch would often be mispredicted. */
const isNotZero = (word: number): number => (word | -word) >>> 31;

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

/** Returns the number of words in a bitmap, with 32 numbers per word. */
const groupsOf = (elements: number) => Math.ceil(elements / 32);

/**
 * Returns the number of bits that are set, or undefined if a bit beyond the first `elements` is set, which is invalid.
 */
function countOnes(bitmap: Uint8Array, elements: number): number | undefined {
  for (let i = elements; i < 8 * bitmap.length; i++) if ((bitmap[i >>> 3]! >>> (i & 7)) & 1) return undefined;
  let count = 0;
  for (const byte of bitmap) for (let rest = byte; rest !== 0; rest &= rest - 1) count++;
  return count;
}
