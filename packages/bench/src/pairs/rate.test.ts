/** Checks rates in the notation of tc, and the size of the token bucket, worked out by hand. */
import { expect, test } from "vitest";
import { mbitPerSecond, parseRate, tbfWords } from "./rate.ts";

test("rates are parsed in the notation of tc", () => {
  expect(parseRate("1gbit")).toBe(1e9);
  expect(parseRate("100mbit")).toBe(1e8);
  expect(parseRate("2.5Gbit")).toBe(2.5e9);
  expect(parseRate("500kbit")).toBe(5e5);
});

test.each(["fast", "100", "100mb", "0mbit", "-1gbit", "1gbit/s", ""])("%j is not a rate", (text) => {
  expect(() => parseRate(text)).toThrow("a rate such as 1gbit, 100mbit or 500kbit");
});

test("the bucket holds 1/250 s of traffic, and at least two frames", () => {
  expect(tbfWords(1e9).join(" ")).toBe("rate 1000000000bit burst 500000b latency 50ms");
  expect(tbfWords(1e8).join(" ")).toBe("rate 100000000bit burst 50000b latency 50ms");
  expect(tbfWords(1e6).join(" ")).toBe("rate 1000000bit burst 3100b latency 50ms");
});

test("the speed of a transfer is in megabits per second", () => {
  expect(mbitPerSecond({ bytes: 12_500_000, ms: 1000 })).toBe(100);
});
