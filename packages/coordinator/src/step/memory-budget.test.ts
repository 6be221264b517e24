/** Checks the memory for the sums of gradients against sizes worked out by hand. */
import { expect, test } from "vitest";
import { assertSumsFit, maxSlices, sumsBudgetBytes } from "./memory-budget.ts";

/** 400 bytes. */
const layout = { denseElements: 100 };

test("a step may have as many slices as the memory for sums holds, and no more", () => {
  expect(maxSlices(layout, 1200)).toBe(3);
  expect(() => assertSumsFit(layout, 3, 1200)).not.toThrow();
  expect(() => assertSumsFit(layout, 4, 1200)).toThrow(expect.objectContaining({ code: "ERR_SUMS" }));
  expect(maxSlices(layout, 399)).toBe(0);
});

test("a step that exceeds the budget is refused with its sizes and the options that help", () => {
  expect(() => assertSumsFit({ denseElements: 36_113_290 }, 64, 4e9)).toThrow(
    /^Expected at most 4,000 MB of sums, .* got 64 slices of 144 MB of dense gradients; raise --slice-rows, .*--sync factored\.$/,
  );
});

test("a step without dense gradients needs no memory for sums", () => {
  expect(() => assertSumsFit({ denseElements: 0 }, 8192, 1)).not.toThrow();
});

test("the memory for sums is more than 64 MiB", () => expect(sumsBudgetBytes()).toBeGreaterThan(64 * 2 ** 20));
