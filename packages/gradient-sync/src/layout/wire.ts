/**
 * Numbers on the wire: float32 as it is, or bf16, its upper half. A piece in which many numbers are exactly 0, as ReLU
 * and dropout leave them, travels packed: a bit for each number, then those that are not 0. Packing loses nothing.
 */
import { LockstepError } from "@lockstep/errors";

/** How a number travels: as float32, or as bf16, its upper half. */
export type Wire = "fp32" | "bf16";

/** Bytes of a number that is not packed. */
export const BYTES_PER_ELEMENT: Record<Wire, number> = { fp32: 4, bf16: 2 };

/** Little-endian numbers as bytes; packed, after a bit map that is filled up to whole words of 4 bytes. */
export interface WireFloats {
  data: Uint8Array<ArrayBuffer>;
  packed: boolean;
}

/** Packing must save at least this share of the bytes: it costs both ends a pass. */
const WORTH_PACKING = 1 / 8;

/**
 * Tells whether packing saves time. A megabyte takes 2 ms to pack and unpack, and is 30 % smaller then
 * (docs/performance.md): so much a link of 150 MB/s carries in 2 ms.
 */
export const packingPays = (linkBytesPerSecond: number): boolean => linkBytesPerSecond < 150e6;

/**
 * Encodes numbers as bytes, which may be a view of them. bf16 rounds to the nearest, ties to even; NaN stays NaN.
 *
 * @param packing whether what has many zeros is packed
 */
export function encodeFloats(values: Float32Array<ArrayBuffer>, wire: Wire, packing = true): WireFloats {
  const words = wire === "fp32" ? wordsOf(values) : toHalves(values);
  return (packing ? packed(words) : undefined) ?? { data: bytesOf(words), packed: false };
}

/** Returns the words packed, or undefined if that saves too little. */
function packed(words: Int32Array | Uint16Array): WireFloats | undefined {
  const groups = groupsOf(words.length);
  let nonzero = 0;
  for (let i = 0; i < words.length; i++) nonzero += isNotZero(words[i]!);
  const packedBytes = 4 * groups + nonzero * words.BYTES_PER_ELEMENT;
  if (packedBytes > (1 - WORTH_PACKING) * words.byteLength) return undefined;
  const buffer = new ArrayBuffer(packedBytes + words.BYTES_PER_ELEMENT); // each word is written, and 0 overwritten
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

/**
 * Decodes what `encodeFloats` has made into a new array.
 *
 * @param elements how many numbers must be there
 * @throws LockstepError ERR_CHUNK if there are more or fewer
 */
export function decodeFloats(floats: PackedOrNot, elements: number, wire: Wire): Float32Array<ArrayBuffer> {
  const decoded = new Float32Array(elements);
  decodeInto(decoded, floats, wire);
  return decoded;
}

/** Numbers as they come off the wire, which may lie at any offset of its buffer. */
type PackedOrNot = { data: Uint8Array; packed: boolean };

/**
 * Decodes what `encodeFloats` has made into an array of just as many numbers, whatever it holds.
 *
 * @throws LockstepError ERR_CHUNK if there are more or fewer; the array's numbers are then of no use
 */
export function decodeInto(decoded: Float32Array, { data, packed }: PackedOrNot, wire: Wire): void {
  const elements = decoded.length;
  const bytesEach = BYTES_PER_ELEMENT[wire];
  const groups = packed ? groupsOf(elements) : 0;
  const nonzero = packed ? countOnes(data.subarray(0, 4 * groups), elements) : elements;
  if (nonzero === undefined || data.length !== 4 * groups + nonzero * bytesEach) {
    throw new LockstepError("ERR_CHUNK", `Expected ${elements} numbers of ${wire}, got ${data.length} other bytes.`);
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

/** Cuts an array of float32 into pieces of at most `chunkBytes`, neither rounded nor packed: states travel so. */
export function* chunksOf(
  values: Float32Array,
  chunkBytes: number,
): Generator<{ offset: number; data: Uint8Array<ArrayBuffer> }> {
  const elements = Math.floor(chunkBytes / BYTES_PER_ELEMENT.fp32);
  for (let offset = 0; offset < values.length; offset += elements) {
    yield { offset, data: new Uint8Array(values.slice(offset, offset + elements).buffer) };
  }
}

/** Decodes one piece of `chunksOf` into a copy, since what comes off the wire may lie at any offset. */
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
 * Tells whether no number is NaN or infinite. It looks at four at a time: V8 unrolls no loops, and all numbers pass.
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

/** Tells whether all bits of the exponent are set. */
const isNotFinite = (word: number): boolean => (word & 0x7f800000) === 0x7f800000;

function bytesOf({ buffer, byteOffset, byteLength }: Int32Array<ArrayBuffer> | Uint16Array<ArrayBuffer>) {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** Views the numbers as words: signed ones, because V8 computes with numbers beyond 2³¹ as floats. */
function wordsOf<B extends ArrayBufferLike>(values: Float32Array<B>): Int32Array<B> {
  return new Int32Array(values.buffer, values.byteOffset, values.length);
}

/** Returns 1 or 0 without a branch, which a processor would guess wrong for every other number. */
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

/** Returns the words of a bit map: 32 numbers share one. */
const groupsOf = (elements: number) => Math.ceil(elements / 32);

/** Counts the bits that are set; undefined if one beyond the first `elements` is, which nobody may send. */
function countOnes(bitmap: Uint8Array, elements: number): number | undefined {
  for (let i = elements; i < 8 * bitmap.length; i++) if ((bitmap[i >>> 3]! >>> (i & 7)) & 1) return undefined;
  let count = 0;
  for (const byte of bitmap) for (let rest = byte; rest !== 0; rest &= rest - 1) count++;
  return count;
}
