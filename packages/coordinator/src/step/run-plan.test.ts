/** Checks the plan of a run for slow and fast links, and for one worker too many for the memory. */
import { expect, test } from "vitest";
import { planRun } from "./run-plan.ts";

/** A kernel of 4 million bytes, and a bias of 4000. */
const model = {
  tensors: [
    { name: "kernel", shape: [1000, 1000], dtype: "float32" as const },
    { name: "bias", shape: [1000], dtype: "float32" as const },
  ],
  factorable: [true, false],
};
/** Bytes are cheap and products dear: the kernel travels dense. */
const fast = { ...model, linkBytesPerSecond: 1e12, gemmFlopsPerSecond: 1e9 };
const slow = { ...fast, linkBytesPerSecond: 1e6 };
const settings = { sync: "auto" as const, wire: "fp32" as const, batchSize: 32, sliceRows: undefined };
/** For the dense gradients of two slices, and not of three. */
const ROOM_BYTES = 2.5 * 4.004e6;

const formsOf = ({ plan }: ReturnType<typeof planRun>) => plan.forms;

test("the slowest link determines the form of the gradients, and the memory for sums the number of workers", () => {
  const dense = planRun([fast, fast], settings, ROOM_BYTES);
  expect([formsOf(dense), dense.maxWorkers]).toEqual([["dense", "dense"], 2]);
  expect(formsOf(planRun([fast, slow], settings, ROOM_BYTES))).toEqual(["factored", "dense"]);
});

test("chunks are as large as the slowest link carries in 20 ms, within limits, also with fixed slices", () => {
  const bytesAt = (linkBytesPerSecond: number, sliceRows?: number) =>
    planRun([fast, { ...fast, linkBytesPerSecond }], { ...settings, sliceRows }, 1e9).plan.chunkBytes;
  expect([1e5, 12_500_000, 1e9].map((speed) => bytesAt(speed))).toEqual([2 ** 16, 250_000, 2 ** 20]);
  expect(bytesAt(12_500_000, 8)).toBe(250_000);
});

test("a step receives the dense gradient of each slice, and the factors of each row once", () => {
  const bytesWith = (links: (typeof fast)[], wire: "fp32" | "bf16", sliceRows?: number) =>
    planRun(links, { ...settings, wire, sliceRows }, ROOM_BYTES).incomingBytes;
  expect(bytesWith([fast, fast], "fp32")).toBe(4 * 2 * (1_000_000 + 1000));
  expect(bytesWith([fast, slow], "fp32")).toBe(4 * (2 * 1000 + 32 * (1000 + 1000)));
  expect(bytesWith([fast], "bf16", 8)).toBe(2 * (4 * 1000 + 32 * (1000 + 1000)));
});

test("gradients are sent as factors if the memory cannot hold the dense gradients of all workers", () => {
  const factored = planRun([fast, fast, fast], settings, ROOM_BYTES);
  expect([formsOf(factored), factored.maxWorkers]).toEqual([["factored", "dense"], Number.POSITIVE_INFINITY]);
});

test("`--sync dense` is an error if the memory cannot hold the dense gradients of all workers", () => {
  const demanded = () => planRun([fast, fast, fast], { ...settings, sync: "dense" }, ROOM_BYTES);
  expect(demanded).toThrow(expect.objectContaining({ code: "ERR_SUMS" }));
});

test("with fixed slices, any number of workers may join, and the forms of the gradients are the same for all", () => {
  for (const workers of [1, 2, 40]) {
    const plan = planRun(new Array(workers).fill(fast), { ...settings, sliceRows: 8 }, ROOM_BYTES);
    expect([formsOf(plan), plan.maxWorkers]).toEqual([["factored", "dense"], Number.POSITIVE_INFINITY]);
  }
});
