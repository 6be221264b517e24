/** Numbers on the wire: float32 as it is, or bf16, its upper half. */

export type Wire = "fp32" | "bf16";

export const BYTES_PER_ELEMENT: Record<Wire, number> = { fp32: 4, bf16: 2 };

/** A copy of the numbers as bytes. bf16 rounds to the nearest, ties to even; NaN stays NaN. */
export function encodeFloats(values: Float32Array, wire: Wire): Uint8Array<ArrayBuffer> {
  if (wire === "fp32") return new Uint8Array(values.slice().buffer);
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const halves = new Uint16Array(values.length);
  for (let i = 0; i < bits.length; i++) {
    const b = bits[i]!;
    const isNan = (b & 0x7fffffff) > 0x7f800000;
    halves[i] = isNan ? (b >>> 16) | 0x40 : (b + 0x7fff + ((b >>> 16) & 1)) >>> 16;
  }
  return new Uint8Array(halves.buffer);
}

/** The inverse, into an array of its own: what comes off the wire may lie at any offset. */
export function decodeFloats(bytes: Uint8Array, wire: Wire): Float32Array<ArrayBuffer> {
  const copy = bytes.slice().buffer;
  if (wire === "fp32") return new Float32Array(copy, 0, Math.floor(copy.byteLength / 4));
  const halves = new Uint16Array(copy, 0, Math.floor(copy.byteLength / 2));
  const bits = new Uint32Array(halves.length);
  for (let i = 0; i < halves.length; i++) bits[i] = halves[i]! << 16;
  return new Float32Array(bits.buffer);
}

/** Cuts an array into pieces of at most `chunkBytes` on the wire. */
export function* chunksOf(
  values: Float32Array,
  wire: Wire,
  chunkBytes: number,
): Generator<{ offset: number; data: Uint8Array<ArrayBuffer> }> {
  const elements = Math.floor(chunkBytes / BYTES_PER_ELEMENT[wire]);
  for (let offset = 0; offset < values.length; offset += elements) {
    yield { offset, data: encodeFloats(values.subarray(offset, offset + elements), wire) };
  }
}
