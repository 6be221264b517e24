/** Checks a layout worked out by hand, and for drawn plans that its parts cover every element once. */
import { at } from "@lockstep/errors";
import { defined } from "@lockstep/testing";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  chunkLength,
  chunkOffsets,
  elementsOf,
  type GradientForm,
  makeLayout,
  type Plan,
  partElements,
} from "./layout.ts";

const tensor = (name: string, ...shape: number[]) => ({ name, shape, dtype: "float32" as const });
const tensors = [
  tensor("conv.kernel", 3, 3, 2, 4),
  tensor("fc1.kernel", 10, 5),
  tensor("fc1.bias", 5),
  tensor("fc2.kernel", 5, 3),
  tensor("fc2.bias", 3),
];
const planOf = (...forms: GradientForm[]): Plan => ({ forms, wire: "fp32", chunkBytes: 40 });
const mixed = planOf("dense", "factored", "dense", "factored", "dense");

/** Matrices and their forms, and a size of chunks. */
const plans = fc.record({
  layers: fc.array(fc.record({ shape: fc.tuple(fc.nat(6), fc.nat(6)), isFactored: fc.boolean() }), { maxLength: 8 }),
  wire: fc.constantFrom("fp32" as const, "bf16" as const),
  chunkBytes: fc.integer({ min: 1, max: 50 }),
});
const layoutOf = fc.record({ plan: plans, samples: fc.nat(9) }).map(({ plan: { layers, ...rest }, samples }) => {
  const forms = layers.map(({ isFactored }) => (isFactored ? "factored" : "dense"));
  const layout = makeLayout(
    layers.map(({ shape }, index) => tensor(`${index}`, ...shape)),
    { forms, ...rest },
  );
  return { layout, samples, layers };
});

test("a layout has the dense tensors from last to first and two parts per factored tensor, as computed by hand", () => {
  const layout = makeLayout(tensors, mixed);
  expect(layout.places).toEqual([
    { form: "dense", offset: 8, elements: 72, shape: [3, 3, 2, 4] },
    { form: "factored", inputPart: 3, deltaPart: 4, inputs: 10, outputs: 5 },
    { form: "dense", offset: 3, elements: 5, shape: [5] },
    { form: "factored", inputPart: 1, deltaPart: 2, inputs: 5, outputs: 3 },
    { form: "dense", offset: 0, elements: 3, shape: [3] },
  ]);
  expect(layout.denseElements).toBe(80);
  expect([0, 1, 2, 3, 4].map((part) => partElements(layout, part, 8))).toEqual([80, 40, 24, 80, 40]);
});

test("a layout contains its plan", () => expect(makeLayout(tensors, mixed)).toMatchObject(mixed));

test("a layout of dense tensors only has one part for any number of rows", () => {
  const layout = makeLayout(tensors, planOf("dense", "dense", "dense", "dense", "dense"));
  expect(layout.rowElements).toEqual([undefined]);
  expect([0, 1, 2, -1].map((part) => partElements(layout, part, 8))).toEqual([145, 0, 0, 0]);
});

test.each([
  ["fp32", 2 ** 20, 2 ** 18],
  ["bf16", 2 ** 20, 2 ** 19],
  ["fp32", 11, 2],
  ["bf16", 1, 1],
] as const)("a layout of %s in chunks of %d bytes has %d elements in each", (wire, chunkBytes, elements) => {
  expect(makeLayout(tensors, { ...mixed, wire, chunkBytes }).chunkElements).toBe(elements);
});

test("a layout gives each dense tensor a separate range, without gaps, last tensor first", () => {
  fc.assert(
    fc.property(layoutOf, ({ layout }) => {
      let end = 0;
      for (const place of layout.places.toReversed()) {
        if (place.form !== "dense") continue;
        expect([place.offset, place.elements]).toEqual([end, elementsOf(place.shape)]);
        end += place.elements;
      }
      expect(layout.denseElements).toBe(end);
    }),
  );
});

test("a layout gives each factored tensor two separate parts, with a row per sample", () => {
  fc.assert(
    fc.property(layoutOf, ({ layout, samples, layers }) => {
      const elements = new Map([[0, layout.denseElements]]);
      for (const [index, place] of layout.places.entries()) {
        expect(place.form).toBe(at(layers, index).isFactored ? "factored" : "dense");
        if (place.form !== "factored") continue;
        const [inputs, outputs] = at(layers, index).shape;
        elements.set(place.inputPart, samples * inputs).set(place.deltaPart, samples * outputs);
      }
      const parts = [...layout.rowElements.keys()];
      expect([...elements.keys()].sort((a, b) => a - b)).toEqual(parts);
      for (const part of parts) expect(partElements(layout, part, samples)).toBe(elements.get(part));
    }),
  );
});

test("the chunks of a part have the offsets and lengths worked out by hand", () => {
  const layout = makeLayout(tensors, mixed); // chunks of 10 elements
  expect(chunkOffsets(layout, 25)).toEqual([0, 10, 20]);
  expect([0, 10, 20].map((offset) => chunkLength(layout, 25, offset))).toEqual([10, 10, 5]);
  expect([5, 25, 30, 1].map((offset) => chunkLength(layout, 25, offset))).toEqual(new Array(4).fill(undefined));
  expect(chunkOffsets(layout, 20)).toEqual([0, 10]);
  expect([chunkOffsets(layout, 0), chunkLength(layout, 0, 0)]).toEqual([[], undefined]);
});

test("the chunks of a part cover each of its elements once, and no other offset is valid", () => {
  fc.assert(
    fc.property(layoutOf, fc.nat(200), ({ layout }, elements) => {
      const covered = new Array<number>(elements).fill(0);
      const offsets = chunkOffsets(layout, elements);
      for (const offset of offsets) {
        const length = defined(chunkLength(layout, elements, offset), "the length");
        expect(length).toBeLessThanOrEqual(layout.chunkElements);
        for (let i = offset; i < offset + length; i++) covered[i] = at(covered, i) + 1;
      }
      expect(covered).toEqual(new Array(elements).fill(1));
      for (let offset = 0; offset <= elements + 50; offset++) {
        expect(chunkLength(layout, elements, offset) !== undefined).toBe(offsets.includes(offset));
      }
    }),
  );
});

test("a tensor has as many elements as its lengths multiplied", () =>
  expect([[], [7], [3, 3, 2, 4], [5, 0]].map(elementsOf)).toEqual([1, 7, 72, 0]));
