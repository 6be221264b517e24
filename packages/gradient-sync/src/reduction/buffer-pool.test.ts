/** Checks which buffers are reused, by their identity and by the memory of this process. */
import { expect, test } from "vitest";
import { makeLayout } from "../layout/layout.ts";
import { subtrees, task, tensor } from "../testing/three-subtrees.ts";
import { BufferPool } from "./buffer-pool.ts";
import { StepRound } from "./step-round.ts";

test("a released buffer is acquired again when a buffer of its length is needed", () => {
  const pool = new BufferPool();
  const [first, second] = [pool.acquire(3), pool.acquire(3)];
  expect(second).not.toBe(first);
  pool.release(first);
  expect(pool.acquire(2)).toHaveLength(2);
  expect(pool.acquire(3)).toBe(first);
  expect(pool.acquire(3)).not.toBe(first);
});

test("scratch buffers share one array, which grows if necessary", () => {
  const pool = new BufferPool();
  expect(pool.scratch(2)).toHaveLength(2);
  const large = pool.scratch(5);
  expect(large).toHaveLength(5);
  expect(pool.scratch(3)).toHaveLength(3);
  expect(pool.scratch(3).buffer).toBe(large.buffer);
});

test("a step of a small model allocates no array of the maximum chunk size", () => {
  const layout = makeLayout([tensor("bias", 5), tensor("kernel", 2, 1)], {
    forms: ["dense", "factored"],
    wire: "fp32",
    chunkBytes: 2 ** 24,
  });
  const pool = new BufferPool();
  const bytesBefore = process.memoryUsage().arrayBuffers;
  const round = new StepRound(task, subtrees, layout, { pool });
  expect(process.memoryUsage().arrayBuffers - bytesBefore).toBeLessThan(2 ** 20);
  expect(round.subtrees).toHaveLength(subtrees.length);
});
