/** Compares all 65,536 patterns of both 16-bit floats with their value by definition. */
import { expect, test } from "vitest";
import { FLOAT_TYPES } from "./float-types.ts";

/** All patterns of 16 bits, in order. */
const patterns = Buffer.from(Uint16Array.from({ length: 2 ** 16 }, (_, bits) => bits).buffer);

/** The value of a binary float with 16 bits, by its definition; float32 holds each of them exactly. */
function meaningOf(bits: number, exponentBits: number): number {
  const fractionBits = 15 - exponentBits;
  const bias = 2 ** (exponentBits - 1) - 1;
  const sign = bits >= 0x8000 ? -1 : 1;
  const exponent = (bits % 0x8000) >> fractionBits;
  const fraction = (bits % 2 ** fractionBits) / 2 ** fractionBits;
  if (exponent === 2 ** exponentBits - 1) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (exponent === 0 ? fraction * 2 ** (1 - bias) : (1 + fraction) * 2 ** (exponent - bias));
}

test.each([
  ["F16", 5],
  ["BF16", 8],
] as const)(
  "each %s becomes the float32 of the same value: zeros, subnormals, infinities and NaN too",
  (name, exponentBits) => {
    const values = FLOAT_TYPES[name].toFloat32(patterns);
    const expected = Float64Array.from({ length: 2 ** 16 }, (_, bits) => meaningOf(bits, exponentBits));
    expect(values.length).toBe(2 ** 16);
    expect(values.findIndex((value, bits) => !Object.is(value, expected[bits]))).toBe(-1);
  },
);

test("float32 is read at any offset, and copied only at an unaligned one", () => {
  const memory = Buffer.from(new ArrayBuffer(16));
  memory.writeFloatLE(1.5, 4);
  memory.writeFloatLE(-2, 9);
  const view = FLOAT_TYPES.F32.toFloat32(memory.subarray(4, 8));
  expect([...view]).toEqual([1.5]);
  expect(view.buffer).toBe(memory.buffer);
  expect([...FLOAT_TYPES.F32.toFloat32(memory.subarray(9, 13))]).toEqual([-2]);
});
