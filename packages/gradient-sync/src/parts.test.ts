import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PartAssembly } from "./parts.ts";

describe("a part", () => {
  test("is put together from its pieces in any order", () => {
    const orders = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 8 }).chain((lengths) => {
      const offsets = lengths.map((_, index) => lengths.slice(0, index).reduce((sum, length) => sum + length, 0));
      const pieces = lengths.map((length, index) => ({ offset: offsets[index]!, length }));
      return fc.shuffledSubarray(pieces, { minLength: pieces.length });
    });
    fc.assert(
      fc.property(orders, (pieces) => {
        const whole = Float32Array.from(
          { length: pieces.reduce((sum, { length }) => sum + length, 0) },
          (_, i) => i + 1,
        );
        const part = new PartAssembly(whole.length);
        for (const { offset, length } of pieces) {
          expect(part.complete).toBe(false);
          part.add(offset, whole.subarray(offset, offset + length));
        }
        expect(part.complete).toBe(true);
        expect(part.values).toEqual(whole);
      }),
    );
  });

  test("refuses a piece that lies outside, or that is more than was to come", () => {
    const part = new PartAssembly(5);
    part.add(3, Float32Array.of(4, 5));
    expect(() => part.add(4, Float32Array.of(1, 2))).toThrow(
      "Expected chunks of 5 elements in all, got 2 at 4 after 2.",
    );
    part.add(0, Float32Array.of(1, 2, 3));
    expect(() => part.add(1, Float32Array.of(1))).toThrow("got 1 at 1 after 5");
    expect(part.values).toEqual(Float32Array.of(1, 2, 3, 4, 5));
  });

  test("is not complete because a piece came twice", () => {
    const part = new PartAssembly(4);
    part.add(0, Float32Array.of(1, 2));
    expect(() => part.add(0, Float32Array.of(1, 2))).toThrow(expect.objectContaining({ code: "ERR_CHUNK" }));
    expect(part.complete).toBe(false);
  });

  test("without elements is complete", () => expect(new PartAssembly(0).complete).toBe(true));
});
