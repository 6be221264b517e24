/** Tests the times of events, and the labels and the distances of an axis's marks. */
import { expect, test } from "vitest";
import { eventTime, markLabels, ROUND_STEPS } from "./format.ts";

test("the marks of an axis are labelled exactly: 7.5 % is not 8 %", () => {
  expect(markLabels([0.05, 0.075, 0.1, 0.125], 0.025, "percent")).toEqual(["5.0 %", "7.5 %", "10.0 %", "12.5 %"]);
  expect(markLabels([0.1, 0.105, 0.11], 0.005, "percent")).toEqual(["10.0 %", "10.5 %", "11.0 %"]);
  expect(markLabels([0, 0.1, 0.2, 0.30000000000000004], 0.1, "percent")).toEqual(["0 %", "10 %", "20 %", "30 %"]);
  expect(markLabels([2.312, 2.314], 0.002, "number")).toEqual(["2.312", "2.314"]);
  expect(markLabels([0, 2000], 2000, "number")).toEqual(["0", "2,000"]);
});

test("the marks of an axis are 1, 2 or 5 times a power of ten apart", () => {
  expect(ROUND_STEPS.filter((step) => step >= 0.01 && step < 10)).toEqual([0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5]);
});

test("an event's time has a date unless it is of today", () => {
  const now = new Date(2026, 10, 30, 20, 0);
  expect(eventTime(new Date(2026, 10, 30, 19, 5, 12), now)).toBe("19:05:12");
  expect(eventTime(new Date(2026, 10, 3, 19, 5, 12), now)).toBe("3 Nov 2026, 19:05:12");
});
