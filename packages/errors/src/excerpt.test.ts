import { expect, test } from "vitest";
import { excerpt } from "./excerpt.ts";

test("a short text stays as it is, and a long one is cut and its length told", () => {
  expect(excerpt("conv1.0.weight")).toBe("conv1.0.weight");
  expect(excerpt("x".repeat(100))).toBe("x".repeat(100));
  expect(excerpt("x".repeat(101))).toBe(`${"x".repeat(100)}… (101 characters)`);
  expect(excerpt("abc", 2)).toBe("ab… (3 characters)");
});

test("no half of a character is left at the cut", () => {
  expect(excerpt("a\u{1F600}b", 2)).toBe("a… (4 characters)");
  expect(excerpt("a\u{1F600}b", 3)).toBe("a\u{1F600}… (4 characters)");
});

test("what could rewrite a terminal is made visible", () => {
  expect(excerpt("a\u001b[2J\u202eb\nc")).toBe("a?[2J?b?c");
});
