/** Fuzzes a worker with hostile frames; `pnpm fuzz` does the same with more of them. */
import { startEngine } from "@lockstep/engine";
import { provesAllCases, testSeed } from "@lockstep/testing";
import { expect, test } from "vitest";
import { fuzzWorker, HEAP_BYTES } from "./fuzz-worker.ts";

const frames = provesAllCases ? 100_000 : 10_000;

test(`${frames} hostile frames: a worker ends with a reason, leaks no tensor, and holds the weights of a complete step`, async () => {
  await startEngine({ backend: "cpu" });
  const report = await fuzzWorker({ frames, seed: testSeed });
  const context = `LOCKSTEP_TEST_SEED=${testSeed}\n${JSON.stringify(report, undefined, 2)}`;
  expect(Object.keys(report.endings).length, context).toBeGreaterThan(4);
  expect(report.faithful, context).toBe(true);
  expect(report.tensors, context).toBe(0);
  expect(report.heapGrowthBytes, context).toBeLessThan(HEAP_BYTES);
}, 1_800_000);
