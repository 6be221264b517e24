import { expect, test } from "vitest";
import { excerpt, excerptOf, faultLines } from "./excerpt.ts";

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

test("a value is shown as JSON, and may be nested as deep as JSON.parse takes it", () => {
  expect(excerptOf({ a: [1, "b"] })).toBe('{"a":[1,"b"]}');
  expect(excerptOf(undefined)).toBe("nothing");
  expect(excerptOf("x".repeat(1000), 10)).toBe('"xxxxxxxxx… (1002 characters)');
  const deep: unknown = JSON.parse("[".repeat(200_000) + "]".repeat(200_000));
  expect(excerptOf(deep)).toBe("something nested too deeply to be shown");
});

test("of many faults the first twenty are listed, each cut short", () => {
  expect(faultLines(["a is missing", "b is unexpected"])).toBe("  a is missing\n  b is unexpected");
  const lines = faultLines(Array.from({ length: 25 }, () => "x".repeat(1000))).split("\n");
  expect(lines.length).toBe(21);
  expect(lines[0]).toBe(`  ${"x".repeat(500)}… (1000 characters)`);
  expect(lines.at(-1)).toBe("  and 5 more");
});
