/** Checks the parsing of lines in the format that taskset prints: single cores, ranges and lists. */
import { expect, test } from "vitest";
import { coresOf } from "./site.ts";

test("cores are parsed from the output of taskset", () => {
  expect(coresOf("pid 2128's current affinity list: 0,1\n")).toEqual([0, 1]);
  expect(coresOf("pid 7's current affinity list: 0,2-4,9\n")).toEqual([0, 2, 3, 4, 9]);
  expect(coresOf("pid 7's current affinity list: 3\n")).toEqual([3]);
});
