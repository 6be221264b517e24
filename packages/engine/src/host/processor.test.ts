/** Checks the instruction set that is read from lines of Linux' /proc/cpuinfo. */
import { expect, test } from "vitest";
import { instructionSetIn } from "./processor.ts";

test.each([
  ["flags\t\t: fpu sse2 avx fma avx2 avx512f avx512vl", "AVX512"],
  ["flags\t\t: fpu sse2 avx fma avx2", "AVX2"],
  ["flags\t\t: fpu sse2 avx", "AVX"],
  ["flags\t\t: fpu sse2", "SSE"],
  ["vmx flags\t: avx2\nflags\t\t: sse2", "SSE"],
])("%j is a processor with %s", (cpuinfo, expected) => {
  expect(instructionSetIn(`processor\t: 0\n${cpuinfo}\n`)).toBe(expected);
});
