/** Checks the first difference of nested values: other types, missing fields, lengths and long texts. */
import { defined } from "@lockstep/testing";
import { expect, test } from "vitest";
import { firstDifference } from "./first-difference.ts";

const value = { name: "a", list: [1, { deep: null }], more: {} };

test("equal values have no difference", () => expect(firstDifference(value, structuredClone(value))).toBeUndefined());

test.each<[object, string, string, string]>([
  [{ ...value, name: "b" }, "name", '"a"', '"b"'],
  [{ ...value, list: [1, { deep: 0 }] }, "list.1.deep", "null", "0"],
  [{ ...value, list: [1] }, "list.1", '{"deep":null}', "absent"],
  [{ ...value, list: { 0: 1, 1: { deep: null } } }, "list", '[1,{"deep":null}]', '{"0":1,"1":{"deep":null}}'],
  [{ ...value, last: 1 }, "last", "absent", "1"],
])("a value differs from %j at %s", (other, path, a, b) => {
  expect(firstDifference(value, other)).toEqual({ path, a, b });
});

test("a long value and a long path are cut to 200 characters", () => {
  expect(defined(firstDifference("x".repeat(1000), 1)).a).toBe(`"${"x".repeat(199)}… (1002 characters)`);
  expect(defined(firstDifference({ ["x".repeat(1000)]: 1 }, {})).path).toBe(`${"x".repeat(200)}… (1000 characters)`);
});
