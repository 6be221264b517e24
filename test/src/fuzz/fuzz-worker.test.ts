import { startEngine } from "@lockstep/engine";
import { expect, test } from "vitest";
import { fuzzWorker, HEAP_BYTES } from "./fuzz-worker.ts";

const seed = Number(process.env["LOCKSTEP_TEST_SEED"] ?? Math.floor(Math.random() * 1e6));

test("10,000 hostile frames: a worker leaves with a reason, keeps no tensor, and holds the weights of a whole step", async () => {
  await startEngine({ backend: "cpu" });
  const report = await fuzzWorker({ frames: 10_000, seed });
  const context = `LOCKSTEP_TEST_SEED=${seed}\n${JSON.stringify(report, undefined, 2)}`;
  expect(Object.keys(report.endings).length, context).toBeGreaterThan(4);
  expect(report.faithful, context).toBe(true);
  expect(report.tensors, context).toBe(0);
  expect(report.heapGrowthBytes, context).toBeLessThan(HEAP_BYTES);
});
