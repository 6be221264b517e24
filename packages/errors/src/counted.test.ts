/** Tests the counts in messages. */
import { expect, test } from "vitest";
import { counted } from "./counted.ts";

test("a count of one has a singular noun", () => {
  expect([0, 1, 2].map((count) => counted(count, "worker"))).toEqual(["0 workers", "1 worker", "2 workers"]);
});
