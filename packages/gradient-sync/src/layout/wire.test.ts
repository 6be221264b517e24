/** Proves with drawn bit patterns that fp32 keeps every bit and bf16 rounds as arithmetic alone does. */
import { at, LockstepError } from "@lockstep/errors";
import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeFloats } from "../testing/decode-floats.ts";
import {
  allFinite,
  chunksOf,
  decodeInto,
  encodeFloats,
  packingPays,
  rawFloats,
  roundToWire,
  type Wire,
} from "./wire.ts";

const wires = ["fp32", "bf16"] as const;
const wireOf = fc.constantFrom<Wire>(...wires);
const floatsOf = (bits: readonly number[]) => new Float32Array(Uint32Array.from(bits).buffer);
const bitsOf = (values: Float32Array) => [...new Uint32Array(values.slice().buffer)];
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

/** Any bits at all: also NaN of any payload, −0, infinities and subnormal numbers. With many zeros they are packed. */
const anyBits = fc.integer({ min: 0, max: 0xffffffff });
const sparse = fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: anyBits });
const floats = fc.oneof(fc.array(anyBits), fc.array(sparse, { minLength: 40, maxLength: 200 })).map(floatsOf);

const throughWire = (values: Float32Array<ArrayBuffer>, wire: Wire) =>
  decodeFloats(encodeFloats(values, wire), values.length, wire);
const throughBf16 = (...values: number[]) => [...throughWire(Float32Array.from(values), "bf16")];

/** The nearest number of 8 significant bits, of two as near the one with an even last bit; by arithmetic alone. */
function nearestBf16(value: number): number {
  if (value === 0 || !Number.isFinite(value)) return value;
  let exponent = -126;
  while (Math.abs(value) >= 2 ** (exponent + 1)) exponent++;
  const unit = 2 ** (exponent - 7);
  const below = Math.floor(value / unit);
  const rest = value / unit - below;
  const rounded = rest > 0.5 || (rest === 0.5 && below % 2 !== 0) ? below + 1 : below;
  const nearest = rounded === 0 ? 0 * value : rounded * unit;
  return Math.abs(nearest) >= 2 ** 128 ? nearest * Number.POSITIVE_INFINITY : nearest;
}

/** 64 numbers of which so many are not 0. */
const withNonzero = (nonzero: number) => Float32Array.from({ length: 64 }, (_, i) => (i < nonzero ? 1.5 : 0));

test("encoded numbers are little-endian, four bytes or the upper two; packed ones follow a bitmap", () => {
  const full = encodeFloats(Float32Array.of(1, -2), "fp32");
  expect([hex(full.data), full.packed]).toEqual(["0000803f000000c0", false]);
  const half = encodeFloats(Float32Array.of(1, -2), "bf16");
  expect([hex(half.data), half.packed]).toEqual(["803f00c0", false]);
  // Of 34 numbers, number 3 is 1 and number 33 is −2: bits 3 and 33 of two words.
  const few = Float32Array.from({ length: 34 }, (_, i) => (i === 3 ? 1 : i === 33 ? -2 : 0));
  expect(hex(encodeFloats(few, "fp32").data)).toBe("0800000002000000" + "0000803f" + "000000c0");
  expect(hex(encodeFloats(few, "bf16").data)).toBe("0800000002000000" + "803f" + "00c0");
});

test("numbers are packed for links of 100 Mbit/s and 1 Gbit/s, but not of 10 Gbit/s", () => {
  expect([12.5e6, 125e6, 1250e6].map(packingPays)).toEqual([true, true, false]);
  const { data, packed } = encodeFloats(withNonzero(1), "fp32", { packing: false });
  expect([data.length, packed]).toEqual([64 * 4, false]);
});

test("fp32 numbers are decoded to the same bits, packed or not, from any offset", () => {
  const seen = new Set<boolean>();
  fc.assert(
    fc.property(floats, fc.nat(7), (values, shift) => {
      const { data, packed } = encodeFloats(values, "fp32");
      seen.add(packed);
      const moved = new Uint8Array(shift + data.length + 3);
      moved.set(data, shift);
      const decoded = decodeFloats({ data: moved.subarray(shift, shift + data.length), packed }, values.length, "fp32");
      expect(bitsOf(decoded)).toEqual(bitsOf(values));
    }),
  );
  expect(seen.size).toBe(2);
});

test("bf16 numbers are decoded to the nearest value, packed or not, from any offset", () => {
  const seen = new Set<boolean>();
  fc.assert(
    fc.property(floats, fc.nat(7), (values, shift) => {
      const { data, packed } = encodeFloats(values, "bf16");
      seen.add(packed);
      const moved = new Uint8Array(shift + data.length + 3);
      moved.set(data, shift);
      const decoded = decodeFloats({ data: moved.subarray(shift, shift + data.length), packed }, values.length, "bf16");
      expect([...decoded]).toEqual([...values].map(nearestBf16));
    }),
  );
  expect(seen.size).toBe(2);
});

test("bf16 rounds to nearest, ties to even, as computed by hand", () => {
  // With 7 bits of fraction, numbers next to 1 are 2⁻⁷ apart.
  expect(throughBf16(1, 1 + 2 ** -8, 1 + 3 * 2 ** -8, 1 + 2 ** -8 + 2 ** -20)).toEqual([
    ...[1, 1, 1 + 2 ** -6, 1 + 2 ** -7],
  ]);
  expect(throughBf16(-1 - 2 ** -8, -1 - 3 * 2 ** -8, -2.5)).toEqual([-1, -1 - 2 ** -6, -2.5]);
  // The largest is (2 − 2⁻⁷) · 2¹²⁷; half a step above it there is only infinity.
  expect(throughBf16(3.3895313892515355e38, 3.39e38, 3.4e38, -3.4e38)).toEqual([
    ...[3.3895313892515355e38, 3.3895313892515355e38, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
  ]);
  // The smallest is 2⁻¹³³; half of it is a tie with 0, which is even.
  expect(throughBf16(2 ** -133, 2 ** -134, 3 * 2 ** -135, -(2 ** -134))).toEqual([2 ** -133, 0, 2 ** -133, -0]);
});

test.each(wires)("%s preserves −0, NaN and the infinities, packed or not", (wire) => {
  const special = [-0, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0];
  expect([...throughWire(Float32Array.from(special), wire)]).toEqual(special);
  const among = Float32Array.from([...special, ...new Array<number>(60).fill(0)]);
  expect(encodeFloats(among, wire).packed).toBe(true);
  expect([...throughWire(among, wire)]).toEqual([...among]);
});

test.each(wires)("%s preserves NaN of any payload and sign", (wire) => {
  const payload = fc.oneof(fc.constantFrom(1, 0xffff, 0x7fffff), fc.integer({ min: 1, max: 0x7fffff }));
  fc.assert(
    fc.property(payload, fc.boolean(), (bits, negative) => {
      const value = floatsOf([((negative ? 0xff800000 : 0x7f800000) | bits) >>> 0]);
      expect([...throughWire(value, wire)]).toEqual([Number.NaN]);
    }),
  );
});

test.each([
  ["fp32", 54, 8 + 54 * 4, 256],
  ["bf16", 52, 8 + 52 * 2, 128],
] as const)(
  "%s numbers are packed only if that saves an eighth of the bytes",
  (wire, most, packedBytes, unpackedBytes) => {
    expect(packedBytes).toBe((unpackedBytes * 7) / 8);
    const packed = encodeFloats(withNonzero(most), wire);
    expect([packed.packed, packed.data.length]).toEqual([true, packedBytes]);
    const unpacked = encodeFloats(withNonzero(most + 1), wire);
    expect([unpacked.packed, unpacked.data.length]).toEqual([false, unpackedBytes]);
  },
);

test("decoding copies the numbers: neither end sees changes of the other's array", () => {
  const values = Float32Array.of(1, 2);
  const sent = encodeFloats(values, "fp32");
  const decoded = decodeFloats(sent, 2, "fp32");
  values[0] = 9;
  sent.data.fill(0);
  expect(decoded).toEqual(Float32Array.of(1, 2));
  const view = Float32Array.of(7, 1, 2, 7).subarray(1, 3);
  for (const wire of wires) expect(throughWire(view, wire)).toEqual(Float32Array.of(1, 2));
});

const refuse = (data: Uint8Array, packed: boolean, elements: number, wire: Wire) => {
  expect(() => decodeFloats({ data, packed }, elements, wire)).toThrow(
    expect.objectContaining({ code: "ERR_CHUNK", message: expect.stringContaining(`Expected ${elements} numbers`) }),
  );
};

test("decoding rejects more or fewer bytes than expected", () => {
  fc.assert(
    fc.property(floats, wireOf, fc.integer({ min: 1, max: 9 }), (values, wire, bytes) => {
      const { data, packed } = encodeFloats(values, wire);
      refuse(new Uint8Array([...data, ...new Uint8Array(bytes)]), packed, values.length, wire);
      if (data.length > 0) refuse(data.subarray(0, Math.max(0, data.length - bytes)), packed, values.length, wire);
    }),
  );
});

test("decoding rejects a bitmap with a bit beyond the last number", () => {
  for (const wire of wires) {
    for (let elements = 1; elements <= 65; elements++) {
      const { data } = encodeFloats(new Float32Array(64), wire); // a map without a number
      const bitmap = data.slice(0, 4 * Math.ceil(elements / 32));
      for (let bit = elements; bit < 8 * bitmap.length; bit++) {
        const stray = bitmap.slice();
        stray[bit >> 3] = at(stray, bit >> 3) | (1 << (bit & 7));
        refuse(stray, true, elements, wire);
        refuse(new Uint8Array([...stray, ...new Uint8Array(wire === "fp32" ? 4 : 2)]), true, elements, wire);
      }
    }
  }
});

test("decoding rejects a truncated bitmap, also with stray bits", () => {
  refuse(Uint8Array.of(0, 0, 0, 2), true, 33, "fp32");
  refuse(Uint8Array.of(0, 0, 0, 0, 2, 0), true, 33, "bf16");
});

test("decoding arbitrary bytes returns numbers or throws a LockstepError", () => {
  const bytes = fc.array(fc.oneof(fc.constant(0), fc.nat(255)), { maxLength: 40 });
  fc.assert(
    fc.property(bytes, fc.boolean(), fc.nat(100), wireOf, (data, packed, elements, wire) => {
      try {
        expect(decodeFloats({ data: Uint8Array.from(data), packed }, elements, wire).length).toBe(elements);
      } catch (error) {
        expect(error).toBeInstanceOf(LockstepError);
      }
    }),
    { numRuns: 5000 },
  );
});

test("roundToWire does in place what the wire would do", () => {
  fc.assert(
    fc.property(floats, wireOf, (values, wire) => {
      const among = new Float32Array([7, ...new Float32Array(values.length), 7]);
      const inner = among.subarray(1, -1);
      new Uint32Array(among.buffer).set(bitsOf(values), 1);
      roundToWire(inner, wire);
      expect(bitsOf(inner)).toEqual(bitsOf(throughWire(values, wire)));
      expect([among[0], among.at(-1)]).toEqual([7, 7]);
    }),
  );
});

test("numbers are decoded into a range of an array, and the rest of it stays unchanged", () => {
  fc.assert(
    fc.property(floats, wireOf, (values, wire) => {
      const array = new Float32Array(values.length + 4).fill(7);
      const encoded = encodeFloats(values, wire);
      const moved = new Uint8Array([0, ...encoded.data]).subarray(1);
      decodeInto(array.subarray(2, -2), { ...encoded, data: moved }, wire);
      expect(bitsOf(array.subarray(2, -2))).toEqual(bitsOf(throughWire(values, wire)));
      expect([...array.subarray(0, 2), ...array.subarray(-2)]).toEqual([7, 7, 7, 7]);
    }),
  );
});

test("allFinite sees every NaN and infinity, and no other number", () => {
  fc.assert(
    fc.property(floats, (values) => {
      expect(allFinite(values)).toBe([...values].every(Number.isFinite));
    }),
  );
  const values = Float32Array.of(Number.NaN, 3.4028234663852886e38, -0, 1e-45, Number.POSITIVE_INFINITY);
  expect(allFinite(values.subarray(1, 4))).toBe(true);
  expect(allFinite(values.subarray(0, 4))).toBe(false);
  expect(allFinite(values.subarray(1, 5))).toBe(false);
});

test("a state is sent in chunks of the requested size, which add up to the whole", () => {
  const values = Float32Array.from({ length: 10 }, (_, i) => i / 3);
  const chunks = [...chunksOf(values, 19)];
  expect(chunks.map(({ offset }) => offset)).toEqual([0, 4, 8]);
  expect(chunks.map(({ data }) => data.length)).toEqual([16, 16, 8]);
  expect(chunks.flatMap(({ data }) => [...rawFloats(data)])).toEqual([...values]);
  const moved = new Uint8Array([1, ...at(chunks, 2).data]).subarray(1);
  expect([...rawFloats(moved)]).toEqual([...values.slice(8)]);
});
