/** Asserts that a program succeeded. */
import { expect } from "vitest";
import type { Finished } from "./program.ts";

/** Asserts that a program ended with status 0 and printed nothing to its standard error. */
export function assertSucceeded({ status, stderr }: Pick<Finished, "status" | "stderr">): void {
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
}
