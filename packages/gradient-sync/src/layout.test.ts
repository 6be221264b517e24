import { expect, test } from "vitest";
import { makeLayout, partElements } from "./layout.ts";
import { PartAssembly } from "./parts.ts";

const tensors = [
  { name: "conv.kernel", shape: [3, 3, 2, 4] },
  { name: "fc.kernel", shape: [10, 5] },
  { name: "fc.bias", shape: [5] },
];

test("dense tensors lie one after another, a factored one has two parts of its own", () => {
  const layout = makeLayout(tensors, ["dense", "factored", "dense"]);
  expect(layout.places).toEqual([
    { form: "dense", offset: 0, elements: 72, shape: [3, 3, 2, 4] },
    { form: "factored", inputPart: 1, deltaPart: 2, inputs: 10, outputs: 5 },
    { form: "dense", offset: 72, elements: 5, shape: [5] },
  ]);
  expect([0, 1, 2].map((part) => partElements(layout, part, 8))).toEqual([77, 80, 40]);
});

test("all dense: one part, whatever the rows", () => {
  const layout = makeLayout(tensors, ["dense", "dense", "dense"]);
  expect(layout.rowElements.length).toBe(1);
  expect(partElements(layout, 0, 8)).toBe(127);
});

test("pieces of a part make the whole in any order, and not more than it", () => {
  const part = new PartAssembly(5);
  part.add(3, Float32Array.of(4, 5));
  expect(part.complete).toBe(false);
  expect(() => part.add(4, Float32Array.of(1, 2))).toThrow("Expected chunks of 5 elements in all, got 2 at 4 after 2.");
  part.add(0, Float32Array.of(1, 2, 3));
  expect(part.complete).toBe(true);
  expect(part.values).toEqual(Float32Array.of(1, 2, 3, 4, 5));
  expect(() => part.add(0, Float32Array.of(1))).toThrow("got 1 at 0 after 5");
});
