/** Checks options just within and just beyond what every worker would refuse. */
import { makeConfig } from "@lockstep/config";
import { expect, test } from "vitest";
import { assertWorkersAccept } from "./assert-config.ts";

test.each([
  [{ batchSize: "8193", sliceRows: "1" }, /at most 8192 slices, got 8193; give --slice-rows 2 or more/],
  [{ numClasses: "1001" }, /--num-classes to be at most 1000 with workers, got 1001/],
  [{ normalize: "abc" }, /half, dataset, or means\/stds .* got "abc"/],
  [{ normalize: "1,2/3,4" }, /each of the 3 channels, got 2/],
])("a coordinator refuses %j itself, and does not leave it to its workers", (overrides, message) => {
  expect(() => assertWorkersAccept(makeConfig(overrides))).toThrow(message);
});

test("a coordinator accepts options at their limits", () => {
  assertWorkersAccept(makeConfig({ batchSize: "8192", sliceRows: "1", numClasses: "1000", normalize: "1,2,3/3,4,5" }));
});
