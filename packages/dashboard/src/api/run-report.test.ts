/** Tests /api/run, which reports a run as JSON. */
import { expect } from "vitest";
import { test, trusted } from "../testing/served-site.ts";
import { addTwoSteps } from "../testing/two-steps.ts";

test("/api/run has null for every value that is unknown before the first step", async ({ site }) => {
  expect(JSON.parse((await site.ask("/api/run", { headers: trusted })).text)).toMatchObject({
    step: 0,
    loss: null,
    workers: [],
    phase: null,
    phaseSince: null,
    phaseReason: null,
  });
});

const workerA = {
  name: "a",
  device: "a CPU",
  backend: "native",
  state: "in",
  goneBecause: null,
  heartbeatAgeMs: 70,
  samples: 8,
  bytesUp: 2000,
  bytesDown: 6000,
  ms: { forward: 100, wait: 150 },
  redoneSlices: 1,
};

test("/api/run reports the run, its phase and its workers", async ({ site }) => {
  addTwoSteps(site.live);
  site.live.phase("paused", "1 of at least 2 workers are here");
  const { type, text } = await site.ask("/api/run?pretty", { headers: trusted });
  expect(type).toBe("application/json");
  expect(JSON.parse(text)).toMatchObject({
    version: 1,
    runId: null,
    state: "waiting",
    step: 8,
    steps: null,
    epoch: 2,
    loss: 2.5,
    learningRate: 0.1,
    stepMs: 250,
    lastStepAt: "2026-11-24T12:00:00.500Z",
    samplesPerSecond: 32,
    secondsLeft: 3,
    test: null,
    redoneSlices: 1,
    refused: 1,
    phase: "paused",
    phaseSince: "2026-11-24T12:00:00.500Z",
    phaseReason: "1 of at least 2 workers are here",
    workers: [workerA, { state: "lost", goneBecause: "lost", refused: 1 }],
  });
});
