/** Checks the line about throughput for a GPU of known and of unknown peak. */
import { expect, test } from "vitest";
import { describeThroughput } from "./throughput.ts";

const throughput = {
  matmul: { size: 4096, teraflops: 40 },
  convolution: { images: 512, forwardTeraflops: 25, backwardTeraflops: 12.5 },
};

test("throughput is described in TFLOP/s, and as a share of the peak if that is known", () => {
  expect(describeThroughput(throughput)).toBe(
    "matmul 4096: 40.000 TFLOP/s; convolution: forward 25.000 TFLOP/s, backward 12.500 TFLOP/s",
  );
  expect(describeThroughput(throughput, 50)).toBe(
    "matmul 4096: 40.000 TFLOP/s (80 % of the card's peak); convolution: forward 25.000 TFLOP/s (50 % of the card's peak), backward 12.500 TFLOP/s (25 % of the card's peak)",
  );
});
