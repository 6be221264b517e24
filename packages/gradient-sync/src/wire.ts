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
 * Whether packing saves time. A megabyte takes 2 ms to pack and unpack, and is 30 % smaller then (docs/performance.md):
 * so much a link of 150 MB/s carries in 2 ms.
 */
export const packingPays = (linkBytesPerSecond: number): boolean => linkBytesPerSecond < 150e6;

/**
 * The numbers as bytes, which may be a view of them. bf16 rounds to the nearest, ties to even; NaN stays NaN.
 *
 * @param packing whether what has many zeros is packed
 */
export function encodeFloats(values: Float32Array<ArrayBuffer>, wire: Wire, packing = true): WireFloats {
  const words = wire === "fp32" ? wordsOf(values) : toHalves(values);
  return (packing ? packed(words) : undefined) ?? { data: bytesOf(words), packed: false };
}

/** Undefined if that saves too little. */
function packed(words: Int32Array | Uint16Array): WireFloats | undefined {
  const groups = groupsOf(words.length);
  let nonzero = 0;
  for (let i = 0; i < words.length; i++) nonzero += isNotZero(words[i]!);
  const packedBytes = 4 * groups + nonzero * words.BYTES_PER_ELEMENT;
  if (packedBytes > (1 - WORTH_PACKING) * words.byteLength) return undefined;
  const buffer = new ArrayBuffer(packedBytes + words.BYTES_PER_ELEMENT); // each word is written, and 0 overwritten
  const bitmap = new Int32Array(buffer, 0, groups);
  const kept = new (words instanceof Int32Array ? Int32Array : Uint16Array)(buffer, 4 * groups, nonzero + 1);
  let next = 0;
  for (let group = 0; group < groups; group++) {
    let bits = 0;
    for (let i = 32 * group; i < Math.min(32 * (group + 1), words.length); i++) {
      const bit = isNotZero(words[i]!);
      bits |= bit << (i & 31);
      kept[next] = words[i]!;
      next += bit;
    }
    bitmap[group] = bits;
  }
  return { data: new Uint8Array(buffer, 0, packedBytes), packed: true };
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
  const groups = packed ? groupsOf(elements) : 0;
  const copy = new Uint8Array(data);
  const nonzero = packed ? ones(copy.subarray(0, 4 * groups), elements) : elements;
  if (nonzero < 0 || copy.length !== 4 * groups + nonzero * bytesEach) {
    throw new LockstepError("ERR_CHUNK", `Expected ${elements} numbers of ${wire}, got ${data.length} other bytes.`);
  }
  if (wire === "fp32" && !packed) return new Float32Array(copy.buffer);
  const words = new (wire === "fp32" ? Int32Array : Uint16Array)(copy.buffer, 4 * groups, nonzero);
  const decoded = new Int32Array(elements);
  const shift = wire === "bf16" ? 16 : 0;
  if (!packed) for (let i = 0; i < elements; i++) decoded[i] = words[i]! << shift;
  const bitmap = new Int32Array(copy.buffer, 0, groups);
  let next = 0;
  for (let group = 0; group < groups; group++) {
    for (let bits = bitmap[group]!; bits !== 0; bits &= bits - 1) {
      decoded[32 * group + 31 - Math.clz32(bits & -bits)] = words[next++]! << shift;
    }
  }
  return new Float32Array(decoded.buffer);
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

function bytesOf({ buffer, byteOffset, byteLength }: Int32Array<ArrayBuffer> | Uint16Array<ArrayBuffer>) {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** Signed, because V8 computes with numbers beyond 2³¹ as floats. */
function wordsOf<B extends ArrayBufferLike>(values: Float32Array<B>): Int32Array<B> {
  return new Int32Array(values.buffer, values.byteOffset, values.length);
}

/** 1 or 0, without a branch, which a processor would guess wrong for every other number. */
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

/** Numbers share words of the bit map, 32 to one. */
const groupsOf = (elements: number) => Math.ceil(elements / 32);

/** How many bits are set; −1 if one beyond the first `elements` is, which nobody may send. */
function ones(bitmap: Uint8Array, elements: number): number {
  for (let i = elements; i < 8 * bitmap.length; i++) if ((bitmap[i >>> 3]! >>> (i & 7)) & 1) return -1;
  let count = 0;
  for (const byte of bitmap) for (let rest = byte; rest !== 0; rest &= rest - 1) count++;
  return count;
}
