import { expect, test } from "vitest";
import { defined } from "./defined.ts";

test("defined returns a defined value, also a falsy one", () => {
  expect([0, "", false].map((value) => defined(value))).toEqual([0, "", false]);
});

test("defined names the missing value", () => {
  expect(() => defined(undefined, "first message")).toThrow("Expected the first message to be defined, got undefined.");
  expect(() => defined(null)).toThrow("Expected the value to be defined, got null.");
});
