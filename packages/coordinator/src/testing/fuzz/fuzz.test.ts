import { expect, test } from "vitest";
import { fuzzCoordinator, HEAP_BYTES, RSS_BYTES, unnamedEndings } from "./fuzz-coordinator.ts";

const seed = Number(process.env["LOCKSTEP_TEST_SEED"] ?? Math.floor(Math.random() * 1e6));

test("10,000 hostile frames: the coordinator neither crashes nor grows, and the run comes to what it would have", async () => {
  const report = await fuzzCoordinator({ frames: 10_000, seed });
  const told = `LOCKSTEP_TEST_SEED=${seed}\n${JSON.stringify(report, undefined, 2)}`;
  expect(unnamedEndings(report), told).toEqual({});
  expect(Object.keys(report.endings).length, told).toBeGreaterThan(8);
  expect(report.steps, told).toBeGreaterThan(50);
  expect(report.undisturbed, told).toBe(true);
  expect(report.heapGrowthBytes, told).toBeLessThan(HEAP_BYTES);
  expect(report.rssGrowthBytes, told).toBeLessThan(RSS_BYTES);
});
