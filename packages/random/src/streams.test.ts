/** Checks the moments of drawn numbers against theory, and that no two streams are equal. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { normals, permutation, randomWords, uniforms } from "./streams.ts";

const mean = (values: ArrayLike<number>) => Array.from(values).reduce((sum, value) => sum + value, 0) / values.length;

test("word i of a stream does not depend on the number of words or the first word", () => {
  const all = randomWords(7, "dropout", [1, 2, 3], new Uint32Array(40));
  for (const length of [1, 2, 3, 4, 5, 39]) {
    expect(randomWords(7, "dropout", [1, 2, 3], new Uint32Array(length))).toEqual(all.slice(0, length));
  }
  expect(randomWords(7, "dropout", [1, 2, 3], new Uint32Array(9), 12)).toEqual(all.slice(12, 21));
});

test("another seed, stream or place gives other words", () => {
  const draw = (...[seed, stream, place]: [number, "init" | "order", [number, number, number]]) =>
    randomWords(seed, stream, place, new Uint32Array(4)).join();
  const draws = [
    draw(0, "init", [0, 0, 0]),
    draw(1, "init", [0, 0, 0]),
    draw(0, "order", [0, 0, 0]),
    draw(0, "init", [1, 0, 0]),
    draw(0, "init", [0, 1, 0]),
    draw(0, "init", [0, 0, 1]),
  ];
  expect(new Set(draws).size).toBe(draws.length);
});

test("uniforms are in [0, 1) with mean 1/2 and variance 1/12", () => {
  const values = uniforms(3, "init", [0, 0, 0], 100_000);
  expect(values.every((value) => value >= 0 && value < 1)).toBe(true);
  expect(mean(values)).toBeCloseTo(0.5, 2);
  expect(mean(values.map((value) => (value - 0.5) ** 2))).toBeCloseTo(1 / 12, 3);
});

test("normals have mean 0, variance 1 and kurtosis 3", () => {
  const values = normals(3, "init", [0, 0, 0], 100_001);
  expect(mean(values)).toBeCloseTo(0, 1);
  expect(mean(values.map((value) => value ** 2))).toBeCloseTo(1, 1);
  expect(mean(values.map((value) => value ** 4))).toBeCloseTo(3, 0);
});

test("a permutation contains every index once", () => {
  fc.assert(
    fc.property(fc.nat(0xffffffff), fc.integer({ min: 0, max: 500 }), (seed, count) => {
      const sorted = permutation(seed, "order", [0, 0, 0], count).sort();
      expect([...sorted]).toEqual(Array.from({ length: count }, (_, i) => i));
    }),
  );
});
