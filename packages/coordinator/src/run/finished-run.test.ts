/** Resumes runs with a real coordinator, which either says that nothing is left or waits for workers. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type ExplicitOptions, makeConfig } from "@lockstep/config";
import {
  createRunFolder,
  lineDisplay,
  newRunId,
  nextStepsLine,
  openPanel,
  type RunFolder,
  StopReason,
} from "@lockstep/run";
import { derivedForTests } from "@lockstep/run/testing";
import { temporaryFolder } from "@lockstep/testing";
import { expect, test } from "vitest";
import { coordinate } from "../coordinator.ts";
import type { CoordinatorOptions } from "./coordinator-options.ts";

const STEPS_PER_EPOCH = 3;

const emptyFolder = () => createRunFolder(join(temporaryFolder(), "run"), "m", new Date());

/** Returns a run folder with the results of a finished run. */
function folderWithResults(): RunFolder {
  const folder = emptyFolder();
  mkdirSync(folder.tfjs);
  for (const path of [folder.weights("Tiny"), join(folder.tfjs, "model.json")]) writeFileSync(path, "{}");
  return folder;
}

/** Resumes a run of one epoch without a test, of which this many steps are done, and returns the outcome. */
async function resume(folder: RunFolder, steps: number, overrides: ExplicitOptions = {}) {
  const lines: string[] = [];
  const samples = { trainSamples: 32 * STEPS_PER_EPOCH, validationSamples: 0, testSamples: 8 };
  const progress = { endedSteps: steps, lossSum: 0, correct: 0, samples: 0 };
  const derived = derivedForTests({ modelName: "Tiny", ...samples, stepsPerEpoch: STEPS_PER_EPOCH, steps });
  const run = {
    config: makeConfig({ dataset: "shapes", numEpochs: 1, test: false, ...overrides }),
    runId: newRunId(),
    folder,
    checkpoint: { step: steps, epoch: 1, seed: 0, progress, tensors: [] },
    saved: { derived, machine: {} },
  };
  const failures = new AbortController();
  const waits = new StopReason({ type: "failure", error: new Error("waits for workers") });
  const options: CoordinatorOptions = {
    workers: 2,
    minWorkers: 1,
    heartbeatMs: 1000,
    stallMs: 60_000,
    balance: "even",
    version: "0",
    distributed: { run, model: { kind: "code" } },
    panel: openPanel(lineDisplay((text) => lines.push(text))),
    listen: { host: "127.0.0.1", port: 0, anyPort: true },
    localWorkers: failures.signal,
    onListening: () => failures.abort(waits),
  };
  const outcome = await coordinate(options).then(
    ({ end }) => end,
    (error: Error) => error.message,
  );
  return { outcome, lines };
}

test("a resumed run with nothing left to do prints where its results are and ends, without waiting for workers", async () => {
  const folder = folderWithResults();
  expect(await resume(folder, 3)).toEqual({
    outcome: "finished",
    lines: [
      "steps:  3, 3 per epoch; 3 done",
      `weights: ${folder.weights("Tiny")}`,
      `charts:  ${join(folder.charts, "*.png")}`,
      nextStepsLine(folder.dir),
    ],
  });
});

test("a resumed run waits for workers if the options allow more epochs", async () => {
  expect((await resume(folderWithResults(), 3, { numEpochs: 2 })).outcome).toBe("waits for workers");
});

test.each([
  ["its steps are not all made", 2, {}],
  ["its test is not done", 3, { test: true }],
])("a resumed run waits for workers if %s", async (_, steps, overrides) => {
  expect((await resume(folderWithResults(), steps, overrides)).outcome).toBe("waits for workers");
});

test("a resumed run waits for workers if its final weights are not written", async () => {
  expect((await resume(emptyFolder(), 3)).outcome).toBe("waits for workers");
});

test("a resumed run refuses at once an option that allows fewer steps than are done", async () => {
  const { outcome } = await resume(emptyFolder(), 3, { maxSteps: 2 });
  expect(outcome).toMatch(
    /^Expected --max-steps and --num-epochs to allow at least the 3 steps that are already done, got 2/,
  );
});
