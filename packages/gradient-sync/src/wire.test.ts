import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { chunksOf, decodeFloats, encodeFloats } from "./wire.ts";

const throughBf16 = (...values: number[]) => [...decodeFloats(encodeFloats(Float32Array.from(values), "bf16"), "bf16")];
const floats = fc.array(fc.float({ noNaN: true })).map((values) => Float32Array.from(values));

describe("numbers on the wire", () => {
  test("fp32 comes back to the bit, from any offset", () => {
    fc.assert(
      fc.property(floats, fc.nat(7), (values, shift) => {
        const bytes = encodeFloats(values, "fp32");
        const moved = new Uint8Array(bytes.length + shift);
        moved.set(bytes, shift);
        expect(decodeFloats(moved.subarray(shift), "fp32")).toEqual(values);
      }),
    );
  });

  test("bf16 rounds to the nearest, ties to even", () => {
    // With 7 bits of fraction, numbers next to 1 are 2⁻⁷ apart.
    expect(throughBf16(1, 1 + 2 ** -8, 1 + 3 * 2 ** -8, 1 + 2 ** -8 + 2 ** -20)).toEqual([
      1,
      1,
      1 + 2 ** -6,
      1 + 2 ** -7,
    ]);
    expect(throughBf16(-2.5, 0, -0)).toEqual([-2.5, 0, -0]);
    expect(throughBf16(Number.NaN, Number.POSITIVE_INFINITY, 3.4e38)).toEqual([
      Number.NaN,
      Number.POSITIVE_INFINITY,
      Number.POSITIVE_INFINITY,
    ]);
  });

  test("bf16 is off by 2⁻⁸ of the number at most, and halves the bytes", () => {
    fc.assert(
      fc.property(floats, (values) => {
        const normal = values.filter((value) => Math.abs(value) > 1.2e-38 && Math.abs(value) < 3e38);
        const bytes = encodeFloats(normal, "bf16");
        expect(bytes.length).toBe(2 * normal.length);
        const back = decodeFloats(bytes, "bf16");
        for (const [i, value] of normal.entries())
          expect(Math.abs(back[i]! - value)).toBeLessThanOrEqual(Math.abs(value) * 2 ** -8);
      }),
    );
  });

  test("chunks are of the size asked and add up to the whole", () => {
    const values = Float32Array.from({ length: 10 }, (_, i) => i);
    const chunks = [...chunksOf(values, "fp32", 16)];
    expect(chunks.map(({ offset, data }) => [offset, data.length])).toEqual([
      [0, 16],
      [4, 16],
      [8, 8],
    ]);
    expect(chunks.flatMap(({ data }) => [...decodeFloats(data, "fp32")])).toEqual([...values]);
  });
});
