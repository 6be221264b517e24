/** Checks that the cases of a sampled proof are reproducible and distinct. */
import { expect, test } from "vitest";
import { drawCases, seedsBelow } from "./draw-cases.ts";

test("a run of the tests draws the same cases each time that it is asked", () => {
  expect(drawCases("a proof", seedsBelow(1000))).toEqual(drawCases("a proof", seedsBelow(1000)));
});

test("a drawn sample has as many cases as asked for, each once", () => {
  expect(new Set(drawCases("a proof", seedsBelow(20), 19)).size).toBe(19);
});

test("of a few cases all are taken", () => {
  expect(drawCases("a proof", ["one", "two"], 2)).toEqual(["one", "two"]);
});
