/** Sends hostile frames to a coordinator during a run, and compares it with an undisturbed one. */
import { provesAllCases, testSeed } from "@lockstep/testing";
import { expect, test } from "vitest";
import { fuzzCoordinator, HEAP_BYTES, RSS_BYTES, unnamedEndings } from "./fuzz-coordinator.ts";

const frames = provesAllCases ? 100_000 : 5_000;

test(`${frames} hostile frames neither crash the coordinator nor make its memory grow, and the run has the weights of an undisturbed one`, async () => {
  const report = await fuzzCoordinator({ frames, seed: testSeed });
  const context = `LOCKSTEP_TEST_SEED=${testSeed}\n${JSON.stringify(report, undefined, 2)}`;
  expect(unnamedEndings(report), context).toEqual({});
  expect(Object.keys(report.endings).length, context).toBeGreaterThan(8);
  expect(report.steps, context).toBeGreaterThan(50);
  expect(report.undisturbed, context).toBe(true);
  expect(report.heapGrowthBytes, context).toBeLessThan(HEAP_BYTES);
  expect(report.rssGrowthBytes, context).toBeLessThan(RSS_BYTES);
}, 1_800_000);
