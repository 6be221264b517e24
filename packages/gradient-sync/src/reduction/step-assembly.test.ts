/** Assembles steps from chunks in drawn orders, with any one missing, repeated or withdrawn; sums are known by hand. */
import { at } from "@lockstep/errors";
import { defined } from "@lockstep/testing";
import fc from "fast-check";
import { expect, test } from "vitest";
import { chunkLength, chunkOffsets, makeLayout, partElements } from "../layout/layout.ts";
import { toStep, toSubtreeId } from "../protocol/ids.ts";
import { type Piece, StepAssembly } from "./step-assembly.ts";

const tensor = (name: string, ...shape: number[]) => ({ name, shape, dtype: "float32" as const });
/** Parts: 0 of 7 dense elements; 1 and 2 of 2 and 1 a row; 3 and 4 of 4 and 2 a row. Chunks have 3 elements. */
const layout = makeLayout([tensor("a", 4, 2), tensor("bias", 7), tensor("b", 2, 1)], {
  forms: ["factored", "dense", "factored"],
  wire: "fp32",
  chunkBytes: 12,
});
const factorParts = [1, 2, 3, 4];
const subtreeSamples = [2, 1, 3];
const rows = 6;

const numberAt = (subtree: number, attempt: number, part: number, index: number) =>
  1000 * subtree + 100 * attempt + 10 * part + index / 100;
/** A part of a subtree as one attempt computes it: all of its numbers tell where they are from. */
const partOf = (subtree: number, attempt: number, part: number) =>
  Float32Array.from({ length: partElements(layout, part, at(subtreeSamples, subtree)) }, (_, index) =>
    numberAt(subtree, attempt, part, index),
  );
const dense = Float32Array.from({ length: 7 }, (_, index) => -index);

function piecesOf(subtree: number, attempt: number, part: number, values: Float32Array): Piece[] {
  return chunkOffsets(layout, values.length).map((offset) => {
    const length = defined(chunkLength(layout, values.length, offset), "the length");
    return { subtree: toSubtreeId(subtree), attempt, part, offset, values: values.slice(offset, offset + length) };
  });
}
const sums = piecesOf(0, 0, 0, dense);
const factorsOf = (subtree: number, attempt: number): Piece[] =>
  factorParts.flatMap((part) => piecesOf(subtree, attempt, part, partOf(subtree, attempt, part)));

/** Returns the expected step of these attempts: the sums, and each factor's rows in slice order. */
const stepOf = (attempts: readonly number[]) => [
  dense,
  ...factorParts.map((part) =>
    Float32Array.from(attempts.flatMap((attempt, subtree) => [...partOf(subtree, attempt, part)])),
  ),
];

function assemblyOf(pieces: readonly Piece[]): StepAssembly {
  const assembly = new StepAssembly(layout, subtreeSamples);
  for (const piece of pieces) assembly.add(piece);
  return assembly;
}
/** Each part for all rows of the batch. */
function complete(assembly: StepAssembly, attempts: readonly number[], { rowElements } = layout): Float32Array[] {
  return [...rowElements.keys()].map(assembly.complete(toStep(9), attempts));
}
const allPieces = [...sums, ...subtreeSamples.flatMap((_, subtree) => factorsOf(subtree, 0))];
const incomplete = expect.objectContaining({ code: "ERR_COMMIT", message: expect.stringContaining("step 9 ") });
const misplaced = expect.objectContaining({ code: "ERR_CHUNK" });

test("a complete step has the sums, and the factors of all rows in slice order, as computed by hand", () => {
  const small = makeLayout([tensor("k", 2, 1)], { forms: ["factored"], wire: "fp32", chunkBytes: 12 });
  const assembly = new StepAssembly(small, [1, 2]);
  assembly.add({ subtree: toSubtreeId(1), attempt: 0, part: 1, offset: 3, values: Float32Array.of(6) });
  assembly.add({ subtree: toSubtreeId(0), attempt: 0, part: 2, offset: 0, values: Float32Array.of(10) });
  assembly.add({ subtree: toSubtreeId(1), attempt: 0, part: 2, offset: 0, values: Float32Array.of(20, 30) });
  assembly.add({ subtree: toSubtreeId(0), attempt: 0, part: 1, offset: 0, values: Float32Array.of(1, 2) });
  assembly.add({ subtree: toSubtreeId(1), attempt: 0, part: 1, offset: 0, values: Float32Array.of(3, 4, 5) });
  expect(assembly.rows).toBe(3);
  expect(complete(assembly, [0, 0], small).map((part) => [...part])).toEqual([[], [1, 2, 3, 4, 5, 6], [10, 20, 30]]);
});

test("a complete step does not depend on the order of its chunks", () => {
  fc.assert(
    fc.property(fc.shuffledSubarray(allPieces, { minLength: allPieces.length }), (pieces) => {
      const assembly = assemblyOf(pieces);
      expect(assembly.rows).toBe(rows);
      expect(complete(assembly, [0, 0, 0])).toEqual(stepOf([0, 0, 0]));
    }),
  );
});

test("a complete step consists of the attempts that the commit names, whichever arrived", () => {
  const attempts = fc.tuple(fc.nat(2), fc.nat(2), fc.nat(2));
  const tries = [0, 1, 2].flatMap((attempt) => subtreeSamples.flatMap((_, subtree) => factorsOf(subtree, attempt)));
  const pieces = fc.shuffledSubarray([...sums, ...tries], { minLength: sums.length + tries.length });
  fc.assert(
    fc.property(pieces, attempts, (all, named) => {
      expect(complete(assemblyOf(all), named)).toEqual(stepOf(named));
    }),
  );
});

test("a complete step may use another worker's attempt besides this worker's incomplete one", () => {
  const own = factorsOf(1, 1);
  const [started, rest] = [own.slice(0, 2), own.slice(2)];
  const assembly = assemblyOf([...started, ...allPieces]);
  expect(complete(assembly, [0, 0, 0])).toEqual(stepOf([0, 0, 0]));
  expect(() => complete(assembly, [0, 1, 0])).toThrow(incomplete);
  for (const piece of rest) assembly.add(piece);
  expect(complete(assembly, [0, 1, 0])).toEqual(stepOf([0, 1, 0]));
});

test("a step without factors consists of the sums, for any attempts", () => {
  const plan = { forms: ["dense" as const], wire: "fp32" as const, chunkBytes: 12 };
  const onlyDense = makeLayout([tensor("bias", 7)], plan);
  const assembly = new StepAssembly(onlyDense, subtreeSamples);
  for (const piece of sums) assembly.add(piece);
  expect(complete(assembly, [3, 1, 2], onlyDense)).toEqual([dense]);
});

test("a commit is refused whichever piece is missing", () => {
  for (const missing of allPieces) {
    const assembly = assemblyOf(allPieces.filter((piece) => piece !== missing));
    expect(() => complete(assembly, [0, 0, 0])).toThrow(incomplete);
    assembly.add(missing);
    expect(complete(assembly, [0, 0, 0])).toEqual(stepOf([0, 0, 0]));
  }
});

test.each([
  ["an attempt that does not exist", [0, 5, 0]],
  ["fewer subtrees than there are", [0, 0]],
  ["more subtrees than there are", [0, 0, 0, 0]],
  ["no subtrees", []],
])("a commit is refused if it names %s", (_, attempts) => {
  expect(() => complete(assemblyOf(allPieces), attempts)).toThrow(incomplete);
});

test("a commit is refused if the pieces of its attempt come from two attempts", () => {
  const [first, ...others] = factorsOf(0, 0);
  const pieces = [
    ...allPieces.filter(({ subtree, part }) => part === 0 || subtree > 0),
    ...others,
    { ...defined(first), attempt: 1 },
  ];
  expect(() => complete(assemblyOf(pieces), [0, 0, 0])).toThrow(incomplete);
  expect(() => complete(assemblyOf(pieces), [1, 0, 0])).toThrow(incomplete);
});

test("a withdrawal removes the attempt, and the sums at the offsets that are sent again, and nothing else", () => {
  const assembly = assemblyOf([...allPieces, ...factorsOf(1, 1), ...factorsOf(2, 1)]);
  assembly.withdraw({ subtree: toSubtreeId(1), attempt: 0, again: [3] });
  expect(() => complete(assembly, [0, 1, 0])).toThrow(incomplete); // a sum is missing
  for (const { offset, values } of sums.filter((sum) => sum.offset !== 3)) {
    expect(() => assembly.add({ subtree: toSubtreeId(0), attempt: 0, part: 0, offset, values })).toThrow(misplaced);
  }
  assembly.add({ subtree: toSubtreeId(0), attempt: 0, part: 0, offset: 3, values: Float32Array.of(30, 40, 50) });
  expect(() => complete(assembly, [0, 0, 0])).toThrow(incomplete); // it was withdrawn
  const [, ...factors] = stepOf([0, 1, 0]);
  expect(complete(assembly, [0, 1, 0])).toEqual([Float32Array.of(-0, -1, -2, 30, 40, 50, -6), ...factors]);
  expect(complete(assembly, [0, 1, 1]).slice(1)).toEqual(stepOf([0, 1, 1]).slice(1));
});

test("a withdrawal keeps the sums that do not contain the attempt", () => {
  const assembly = assemblyOf([...allPieces, ...factorsOf(0, 1)]);
  assembly.withdraw({ subtree: toSubtreeId(0), attempt: 0, again: [] });
  expect(complete(assembly, [1, 0, 0])).toEqual(stepOf([1, 0, 0]));
});

test("a withdrawal may arrive before the pieces of its attempt, or before the sums", () => {
  const assembly = new StepAssembly(layout, subtreeSamples);
  assembly.withdraw({ subtree: toSubtreeId(2), attempt: 0, again: [0, 6] });
  for (const piece of [...sums, ...factorsOf(0, 0), ...factorsOf(1, 0), ...factorsOf(2, 1)]) assembly.add(piece);
  expect(complete(assembly, [0, 0, 1])).toEqual(stepOf([0, 0, 1]));
});

/** The label of a piece of the first attempt at the first subtree. */
const label = { subtree: toSubtreeId(0), attempt: 0 };
test.each([
  ["a sum between two chunks", { part: 0, offset: 1, values: new Float32Array(3) }],
  ["a sum beyond the end", { part: 0, offset: 9, values: new Float32Array(1) }],
  ["a sum that is too short", { part: 0, offset: 0, values: new Float32Array(2) }],
  ["a sum that is too long", { part: 0, offset: 6, values: new Float32Array(3) }],
  ["an empty sum", { part: 0, offset: 0, values: new Float32Array() }],
  ["a part that does not exist", { part: 5, offset: 0, values: new Float32Array(1) }],
  ["a subtree that does not exist", { subtree: toSubtreeId(3), part: 1, offset: 0, values: new Float32Array(1) }],
  ["rows of another subtree's length", { subtree: toSubtreeId(1), part: 1, offset: 0, values: new Float32Array(3) }],
  ["a factor beyond the end", { part: 1, offset: 6, values: new Float32Array(1) }],
  ["a factor that is too long", { part: 1, offset: 3, values: new Float32Array(2) }],
  ["a factor that is too short", { part: 1, offset: 0, values: new Float32Array(2) }],
  ["a factor between two chunks", { part: 1, offset: 1, values: new Float32Array(3) }],
  ["an empty factor", { part: 1, offset: 0, values: new Float32Array() }],
])("a piece with the wrong place or length is refused: %s", (_, piece) => {
  const assembly = new StepAssembly(layout, subtreeSamples);
  expect(() => assembly.add({ ...label, ...piece })).toThrow(misplaced);
  for (const right of allPieces) assembly.add(right);
  expect(complete(assembly, [0, 0, 0])).toEqual(stepOf([0, 0, 0]));
});

test("a piece that arrives twice is refused", () => {
  for (const piece of allPieces) {
    const assembly = assemblyOf([piece]);
    expect(() => assembly.add(piece)).toThrow(misplaced);
  }
});

test("a piece that arrives twice does not replace a missing one", () => {
  const pieces = allPieces.filter(({ subtree, part, offset }) => !(subtree === 2 && part === 3 && offset === 3));
  const assembly = assemblyOf(pieces);
  const twice = factorsOf(2, 0).find(({ part, offset }) => part === 3 && offset === 6);
  expect(() => assembly.add(defined(twice))).toThrow(misplaced);
  expect(() => complete(assembly, [0, 0, 0])).toThrow(incomplete);
});
