/** Checks excerpts of texts that are too long, split a character, or control a terminal. */
import { expect, test } from "vitest";
import { excerpt, excerptOf, faultLines } from "./excerpt.ts";

test("excerpt keeps a short text; it cuts a long one and appends the length", () => {
  expect(excerpt("conv1.0.weight")).toBe("conv1.0.weight");
  expect(excerpt("x".repeat(100))).toBe("x".repeat(100));
  expect(excerpt("x".repeat(101))).toBe(`${"x".repeat(100)}… (101 characters)`);
  expect(excerpt("abc", 2)).toBe("ab… (3 characters)");
});

test("excerpt never splits a surrogate pair", () => {
  expect(excerpt("a\u{1F600}b", 2)).toBe("a… (4 characters)");
  expect(excerpt("a\u{1F600}b", 3)).toBe("a\u{1F600}… (4 characters)");
});

test("excerpt replaces characters that control a terminal", () => {
  expect(excerpt("a\u001b[2J\u202eb\nc")).toBe("a?[2J?b?c");
});

test("excerptOf shows a value as JSON, and describes one that is nested too deeply for it", () => {
  expect(excerptOf({ a: [1, "b"] })).toBe('{"a":[1,"b"]}');
  expect(excerptOf(undefined)).toBe("nothing");
  expect(excerptOf("x".repeat(1000), 10)).toBe('"xxxxxxxxx… (1002 characters)');
  const deep: unknown = JSON.parse("[".repeat(200_000) + "]".repeat(200_000));
  expect(excerptOf(deep)).toBe("a value that is nested too deeply to show");
});

test("faultLines lists at most twenty faults, each cut to 500 characters", () => {
  expect(faultLines(["a is missing", "b is unexpected"])).toBe("  a is missing\n  b is unexpected");
  const lines = faultLines(Array.from({ length: 25 }, () => "x".repeat(1000))).split("\n");
  expect(lines.length).toBe(21);
  expect(lines[0]).toBe(`  ${"x".repeat(500)}… (1000 characters)`);
  expect(lines.at(-1)).toBe("  and 5 more");
});
