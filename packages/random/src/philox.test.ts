/** Compares Philox with its published words and with a second implementation in 64-bit integers. */
import { expect, test } from "vitest";
import { philoxBlock } from "./philox.ts";

const hex = (words: Uint32Array) => [...words].map((word) => word.toString(16).padStart(8, "0")).join(" ");

// The vectors that the authors publish with their Random123 library (kat_vectors, philox4x32 10).
test.each([
  [[0, 0, 0, 0], [0, 0], "6627e8d5 e169c58d bc57ac4c 9b00dbd8"],
  [[-1, -1, -1, -1], [-1, -1], "408f276d 41c83b0e a20bc7c6 6d5451fd"],
  [[0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0], "d16cfe09 94fdcceb 5001e420 24126ea1"],
] as const)("philoxBlock returns the published words for counter %j and key %j", (counter, key, expected) => {
  const out = new Uint32Array(4);
  philoxBlock(counter, key, out);
  expect(hex(out)).toBe(expected);
});

test("philoxBlock equals a second implementation in 64-bit integers", () => {
  const out = new Uint32Array(4);
  for (let i = 0; i < 2000; i++) {
    const c = [Math.imul(i, 0x9e3779b1), Math.imul(i, 0x85ebca6b), ~i, Math.imul(i, i)] as const;
    const k = [Math.imul(i, 0xc2b2ae35), i] as const;
    philoxBlock(c, k, out);
    expect([...out]).toEqual(philoxInBigInts(c, k));
  }
});

function philoxInBigInts(counter: readonly number[], key: readonly number[]): number[] {
  const low = (x: bigint) => x & 0xffffffffn;
  let [c0, c1, c2, c3] = counter.map((x) => BigInt(x >>> 0)) as [bigint, bigint, bigint, bigint];
  let [k0, k1] = key.map((x) => BigInt(x >>> 0)) as [bigint, bigint];
  for (let round = 0; round < 10; round++) {
    const p0 = 0xd2511f53n * c0;
    const p1 = 0xcd9e8d57n * c2;
    [c0, c1, c2, c3] = [(p1 >> 32n) ^ c1 ^ k0, low(p1), (p0 >> 32n) ^ c3 ^ k1, low(p0)];
    k0 = low(k0 + 0x9e3779b9n);
    k1 = low(k1 + 0xbb67ae85n);
  }
  return [c0, c1, c2, c3].map(Number);
}
