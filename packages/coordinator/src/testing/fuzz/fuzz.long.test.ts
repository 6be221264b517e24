/** Sends hostile frames to a coordinator during a run, which has to end like one without them. */
import { provesAllCases, testSeed } from "@lockstep/testing";
import { expect, test } from "vitest";
import { fuzzCoordinator, HEAP_BYTES, RSS_BYTES, unnamedEndings } from "./fuzz-coordinator.ts";

const frames = provesAllCases ? 100_000 : 5_000;

test(`${frames} hostile frames: the coordinator neither crashes nor grows, and the run comes to what it would have`, async () => {
  const report = await fuzzCoordinator({ frames, seed: testSeed });
  const context = `LOCKSTEP_TEST_SEED=${testSeed}\n${JSON.stringify(report, undefined, 2)}`;
  expect(unnamedEndings(report), context).toEqual({});
  expect(Object.keys(report.endings).length, context).toBeGreaterThan(8);
  expect(report.steps, context).toBeGreaterThan(50);
  expect(report.undisturbed, context).toBe(true);
  expect(report.heapGrowthBytes, context).toBeLessThan(HEAP_BYTES);
  expect(report.rssGrowthBytes, context).toBeLessThan(RSS_BYTES);
}, 1_800_000);
