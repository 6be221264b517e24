import { appendFileSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Lease } from "@lockstep/files";
import { createRunFolder, holdRunFolder, openRunFolder, type RunFolder, writeJson } from "@lockstep/run";
import { derivedForTests } from "@lockstep/run/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import { followRun } from "./followed-run.ts";

const DERIVED = derivedForTests({ trainSamples: 40, stepsPerEpoch: 10, steps: 10 });
let dir: string;
let folder: RunFolder;
let lease: Lease;
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "lockstep-followed-"));
  folder = createRunFolder(join(dir, "run"), "m", new Date(0));
  lease = await holdRunFolder(folder, () => {});
  writeJson(folder.config, { machine: {}, derived: DERIVED });
});
afterEach(() => {
  lease.release();
  rmSync(dir, { recursive: true });
});

const add = (path: string, row: object) => appendFileSync(path, `${JSON.stringify(row)}\n`);
const happens = (kind: string, worker?: string) =>
  add(folder.eventLog, { at: "2026-11-24T12:00:00.000Z", kind, text: kind, worker });
function step(number: number, ...workers: string[]): void {
  const shares = workers.map((name) => ({ name, samples: 2, bytesUp: 1, bytesDown: 1, ms: {}, io: {} }));
  const row = { type: "step", epoch: 1, step: number, loss: 2, samples: 4, correct: 1, lr: 0.1, ms: { step: 500 } };
  add(folder.metrics, { ...row, workers: shares });
}

test("a running run is followed: steps, events, workers and the remaining time", () => {
  happens("begun");
  for (const name of ["a", "b"]) happens("joined", name);
  step(0, "a", "b");
  const { live, poll } = followRun(folder.dir);
  expect(live.snapshot()).toMatchObject({ name: "run", state: "running", stepsDone: 1 });
  expect(live.snapshot().progress).toEqual({ step: 1, steps: 10, loss: 2, samplesPerSecond: 8, secondsLeft: 4.5 });
  happens("lost", "b");
  step(1, "a");
  poll();
  poll();
  expect(live.snapshot().stepsDone).toBe(2);
  expect(live.snapshot().history.samples).toEqual([4, 4]);
  expect(live.snapshot().workers.map(({ name, state }) => [name, state])).toEqual([
    ["a", "in"],
    ["b", "lost"],
  ]);
  expect(live.snapshot().phase).toBeUndefined(); // a folder of an older version has no phases
  happens("finished");
  poll();
  expect(live.snapshot().state).toBe("finished");
  expect(live.snapshot().phase).toEqual({ name: "over", sinceMs: Date.parse("2026-11-24T12:00:00.000Z") });
});

test("the phase is the last one in the event log, and phases are not listed as events", () => {
  const at = "2026-11-24T12:00:01.000Z";
  const sinceMs = Date.parse(at);
  const enters = (phase: string, reason?: string) =>
    add(folder.eventLog, { at, kind: "phase", text: phase, phase, reason });
  happens("waiting");
  enters("gathering");
  happens("begun");
  enters("starting");
  enters("stepping");
  const { live, poll } = followRun(folder.dir);
  expect(live.snapshot().phase).toEqual({ name: "stepping", sinceMs });
  enters("paused", "1 of at least 2 workers are here");
  enters("dancing"); // a phase of a later version
  poll();
  expect(live.snapshot().phase).toEqual({ name: "paused", sinceMs, reason: "1 of at least 2 workers are here" });
  expect(live.snapshot().events.map(({ kind }) => kind)).toEqual(["waiting", "begun"]);
  happens("failed");
  enters("over");
  poll();
  expect(live.snapshot().phase).toEqual({ name: "over", sinceMs });
});

test("a run whose lease cannot be read is not reported as killed", () => {
  happens("begun");
  lease.release();
  mkdirSync(join(folder.dir, "run.pid"));
  expect(followRun(folder.dir).live.snapshot().state).toBe("running");
});

test("all workers of a finished run have left", () => {
  happens("begun");
  step(0, "a", "b");
  happens("finished");
  expect(
    followRun(folder.dir)
      .live.snapshot()
      .workers.map(({ state }) => state),
  ).toEqual(["left", "left"]);
});

test("a killed run is reported as stopped until it is resumed", async () => {
  happens("begun");
  step(0, "a");
  lease.release(); // as a kill leaves it: no last event, and no process
  const { live, poll } = followRun(folder.dir);
  poll();
  expect(live.snapshot().state).toBe("stopped");
  expect(live.snapshot().events.map(({ kind }) => kind)).toEqual(["begun", "stopped"]);
  lease = await holdRunFolder(openRunFolder(folder.dir).folder, () => {});
  writeFileSync(`${folder.metrics}.tmp`, ""); // restarts from step 0, since there is no checkpoint
  renameSync(`${folder.metrics}.tmp`, folder.metrics);
  happens("resumed");
  step(0, "b");
  poll();
  expect(live.snapshot()).toMatchObject({ state: "running", stepsDone: 1, ledger: { samples: 4 } });
});
