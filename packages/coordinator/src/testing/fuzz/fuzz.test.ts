import { expect, test } from "vitest";
import { fuzzCoordinator, HEAP_BYTES, RSS_BYTES, unnamedEndings } from "./fuzz-coordinator.ts";

const seed = Number(process.env["LOCKSTEP_TEST_SEED"] ?? Math.floor(Math.random() * 1e6));

test("10,000 hostile frames: the coordinator neither crashes nor grows, and the run comes to what it would have", async () => {
  const report = await fuzzCoordinator({ frames: 10_000, seed });
  const context = `LOCKSTEP_TEST_SEED=${seed}\n${JSON.stringify(report, undefined, 2)}`;
  expect(unnamedEndings(report), context).toEqual({});
  expect(Object.keys(report.endings).length, context).toBeGreaterThan(8);
  expect(report.steps, context).toBeGreaterThan(50);
  expect(report.undisturbed, context).toBe(true);
  expect(report.heapGrowthBytes, context).toBeLessThan(HEAP_BYTES);
  expect(report.rssGrowthBytes, context).toBeLessThan(RSS_BYTES);
});
