import { expect, test } from "vitest";
import { at, present } from "./present.ts";

test("at returns the element at an index, also counted from the end", () => {
  expect([at(["a", "b", "c"], 1), at(Uint8Array.of(4, 5), -1)]).toEqual(["b", 5]);
});

test.each([2, -3])("at throws for index %i of two elements", (index) => {
  expect(() => at([1, 2], index)).toThrow(new RangeError(`Expected an index below 2, got ${index}.`));
});

test("present returns a value that is there, also 0 and an empty text", () => {
  expect([present(0, "a count"), present("", "a name")]).toEqual([0, ""]);
});

test.each([undefined, null])("present throws for %s", (value) => {
  expect(() => present(value, "a name")).toThrow(`Expected a name, got ${value}.`);
});
