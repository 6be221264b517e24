/** Reads the event files of a run with TensorBoard's reader, which verifies each record's checksums. */
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { defined, missingModules, python } from "@lockstep/testing";
import { expect } from "vitest";
import { readMetrics } from "../folder/metrics.ts";
import { CountingTeam } from "../testing/counting-team.ts";
import { test } from "../testing/recorded-run.ts";

const lack = missingModules("tensorboard");
const reader = fileURLToPath(new URL("../../../../test/fixtures/read_events.py", import.meta.url));

/** The scalars of a folder of event files, by tag. */
function readScalars(folder: string) {
  const scalars: Record<string, [step: number, value: number, time: number][]> = JSON.parse(
    execFileSync(python, [reader, folder], { encoding: "utf8" }),
  );
  const values = (tag: string) => defined(scalars[tag]).map(([step, value]) => [step, value]);
  const seconds = (tag: string) => defined(scalars[tag]).map(([, , time]) => time);
  return { values, seconds };
}

test.skipIf(lack !== "")(`TensorBoard reads the figures of metrics.jsonl${lack}`, async ({ run }) => {
  const team = new CountingTeam();
  team.ms = { step: 1.25, forward: 1 / 3 };
  await run.train({ numEpochs: 1 }, { team });
  const rows = readMetrics(run.folder.metrics);
  const steps = rows.filter((row) => row.type === "step");
  const epoch = defined(rows.find((row) => row.type === "epoch"));
  const report = defined(rows.find((row) => row.type === "test"));

  const { values, seconds } = readScalars(run.folder.events);
  expect(values("train/loss")).toEqual(steps.map(({ step, loss }) => [step, Math.fround(loss)]));
  const accuracies = steps.map(({ step, correct, samples }) => [step, Math.fround(correct / samples)]);
  expect(values("train/accuracy")).toEqual(accuracies);
  expect(values("ms/forward")).toEqual(steps.map(({ step, ms }) => [step, Math.fround(defined(ms["forward"]))]));
  expect(values("eval/loss")).toEqual([[epoch.step, Math.fround(defined(epoch.evalLoss))]]);
  expect(values("test/accuracy")).toEqual([[report.step, Math.fround(report.accuracy)]]);
  expect(seconds("train/loss")).toEqual([0.00125, 0.0025, 0.00375]); // the run started at 0
});
