/** Compares counts and sizes with texts written by hand. */
import { expect, test } from "vitest";
import { formatBytes } from "./wording.ts";

test("a size is printed in bytes, kB or MB, so that small traffic is not 0.0 MB", () => {
  expect([0, 812.4, 3400, 12_695_664].map(formatBytes)).toEqual(["0 B", "812 B", "3.4 kB", "12.7 MB"]);
});
