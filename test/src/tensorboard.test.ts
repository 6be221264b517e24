/** Reads the event files of a real run with TensorBoard's reader, which verifies each record's checksums. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readMetrics } from "@lockstep/run";
import { defined, missingModules, python } from "@lockstep/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { run, tinyModel } from "./testing/program.ts";

const lack = missingModules("tensorboard");
const reader = fileURLToPath(new URL("../fixtures/read_events.py", import.meta.url));
let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "lockstep-tensorboard-"));
});
afterAll(() => rmSync(dir, { recursive: true }));

type Scalars = Record<string, [step: number, value: number, time: number][]>;

test.skipIf(lack !== "")(`TensorBoard reads the figures of metrics.jsonl${lack}`, async () => {
  const out = join(dir, "run");
  const options = ["--model", tinyModel, "--dataset", "shapes", "--batch-size", "256", "--num-epochs", "1"];
  const startedS = Date.now() / 1000;
  expect((await run(["train", ...options, "--out", out])).status).toBe(0);
  const scalars = JSON.parse(execFileSync(python, [reader, join(out, "events")], { encoding: "utf8" })) as Scalars;

  const rows = readMetrics(join(out, "metrics.jsonl"));
  const steps = rows.filter((row) => row.type === "step");
  const values = (tag: string) => defined(scalars[tag]).map(([step, value]) => [step, value]);
  expect(values("train/loss")).toEqual(steps.map(({ step, loss }) => [step, Math.fround(loss)]));
  expect(values("train/accuracy")).toEqual(
    steps.map(({ step, correct, samples }) => [step, Math.fround(correct / samples)]),
  );
  expect(values("ms/forward")).toEqual(steps.map(({ step, ms }) => [step, Math.fround(defined(ms["forward"]))]));
  const epoch = defined(rows.find((row) => row.type === "epoch"));
  expect(values("eval/loss")).toEqual([[epoch.step, Math.fround(defined(epoch.evalLoss))]]);
  const report = defined(rows.find((row) => row.type === "test"));
  expect(values("test/accuracy")).toEqual([[report.step, Math.fround(report.accuracy)]]);
  for (const [, , time] of defined(scalars["train/loss"])) {
    expect(time).toBeGreaterThan(startedS);
    expect(time).toBeLessThan(Date.now() / 1000);
  }
});
