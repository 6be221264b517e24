/** Checks that falsy values count as defined, and that every index outside an array throws. */
import { expect, test } from "vitest";
import { at, defined } from "./defined.ts";

test("at returns the element at an index, also counted from the end", () => {
  expect([at(["a", "b", "c"], 1), at(Uint8Array.of(4, 5), -1)]).toEqual(["b", 5]);
});

test.each([2, -3])("at throws for index %i of two elements", (index) => {
  expect(() => at([1, 2], index)).toThrow(new RangeError(`Expected an index below 2, got ${index}.`));
});

test("defined returns a defined value, also 0 and an empty text", () => {
  expect([defined(0, "a count"), defined("", "a name")]).toEqual([0, ""]);
});

test.each([undefined, null])("defined throws for %s", (value) => {
  expect(() => defined(value, "a name")).toThrow(`Expected a name, got ${value}.`);
});
