/** Tests a live run that is read from its folder, while another process writes it. */
import { appendFileSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Lease } from "@lockstep/files/lease";
import { createRunFolder, holdRunFolder, openRunFolder, type RunFolder, writeJson } from "@lockstep/run";
import { derivedForTests } from "@lockstep/run/testing";
import { test as base } from "@lockstep/testing";
import { expect } from "vitest";
import { followRun } from "./followed-run.ts";

const DERIVED = derivedForTests({ trainSamples: 40, stepsPerEpoch: 10, steps: 10 });

const add = (path: string, row: object) => appendFileSync(path, `${JSON.stringify(row)}\n`);

/** A folder that a process writes, which holds it. */
class WrittenRun {
  readonly folder: RunFolder;
  #lease: Lease;

  private constructor(folder: RunFolder, lease: Lease) {
    this.folder = folder;
    this.#lease = lease;
  }

  /** Starts a run in a new folder. */
  static async start(dir: string): Promise<WrittenRun> {
    const folder = createRunFolder(dir, "m", new Date(0));
    const lease = await holdRunFolder(folder, () => {});
    writeJson(folder.config, { machine: {}, derived: DERIVED });
    return new WrittenRun(folder, lease);
  }

  /** Lets go of the folder without a last event, like a process that is killed. */
  release(): void {
    this.#lease.release();
  }

  /** Holds the folder again, and starts anew at step 0, as without a checkpoint. */
  async resume(): Promise<void> {
    this.#lease = await holdRunFolder(openRunFolder(this.folder.dir).folder, () => {});
    writeFileSync(`${this.folder.metrics}.tmp`, "");
    renameSync(`${this.folder.metrics}.tmp`, this.folder.metrics);
    this.happens("resumed");
  }

  /** Writes an event. */
  happens(kind: string, worker?: string): void {
    add(this.folder.eventLog, { at: "2026-11-24T12:00:00.000Z", kind, text: kind, worker });
  }

  /** Writes a phase, a second later than the events. */
  enters(phase: string, reason?: string): void {
    add(this.folder.eventLog, { at: "2026-11-24T12:00:01.000Z", kind: "phase", text: phase, phase, reason });
  }

  /** Writes the row of a step. */
  step(number: number, ...workers: string[]): void {
    const shares = workers.map((name) => ({ name, samples: 2, bytesUp: 1, bytesDown: 1, ms: {}, io: {} }));
    const row = { type: "step", epoch: 1, step: number, loss: 2, samples: 4, correct: 1, lr: 0.1, ms: { step: 500 } };
    add(this.folder.metrics, { ...row, workers: shares });
  }
}

/** Tests with the fixture `run`: a run that has just started. */
const test = base.extend("run", async ({ folder }, { onCleanup }) => {
  const run = await WrittenRun.start(join(folder, "run"));
  onCleanup(() => run.release());
  return run;
});

test("a running run is followed: steps, events, workers and the remaining time", ({ run }) => {
  run.happens("begun");
  for (const name of ["a", "b"]) run.happens("joined", name);
  run.step(0, "a", "b");
  const { live, poll } = followRun(run.folder.dir);
  expect(live.snapshot()).toMatchObject({ name: "run", state: "running", stepsDone: 1 });
  expect(live.snapshot().progress).toEqual({ step: 1, steps: 10, loss: 2, samplesPerSecond: 8, secondsLeft: 4.5 });
  run.happens("lost", "b");
  run.step(1, "a");
  poll();
  poll();
  expect(live.snapshot().stepsDone).toBe(2);
  expect(live.snapshot().history.samples).toEqual([4, 4]);
  expect(live.snapshot().workers.map(({ name, state }) => [name, state])).toEqual([
    ["a", "in"],
    ["b", "lost"],
  ]);
  expect(live.snapshot().phase).toBeUndefined(); // a folder of an older version has no phases
  run.happens("finished");
  poll();
  expect(live.snapshot().state).toBe("finished");
  expect(live.snapshot().phase).toEqual({ name: "over", sinceMs: Date.parse("2026-11-24T12:00:00.000Z") });
});

test("the phase is the last one in the event log, and phases are not listed as events", ({ run }) => {
  const sinceMs = Date.parse("2026-11-24T12:00:01.000Z");
  run.happens("waiting");
  run.enters("gathering");
  run.happens("begun");
  run.enters("starting");
  run.enters("stepping");
  const { live, poll } = followRun(run.folder.dir);
  expect(live.snapshot().phase).toEqual({ name: "stepping", sinceMs });
  run.enters("paused", "1 of at least 2 workers are here");
  run.enters("dancing"); // a phase of a later version
  poll();
  expect(live.snapshot().phase).toEqual({ name: "paused", sinceMs, reason: "1 of at least 2 workers are here" });
  expect(live.snapshot().events.map(({ kind }) => kind)).toEqual(["waiting", "begun"]);
  run.happens("failed");
  run.enters("over");
  poll();
  expect(live.snapshot().phase).toEqual({ name: "over", sinceMs });
});

test("a run whose lease cannot be read is not reported as killed", ({ run }) => {
  run.happens("begun");
  run.release();
  mkdirSync(join(run.folder.dir, "run.pid"));
  expect(followRun(run.folder.dir).live.snapshot().state).toBe("running");
});

test("all workers of a finished run have left because it is over", ({ run }) => {
  run.happens("begun");
  run.step(0, "a", "b");
  run.happens("finished");
  const { workers } = followRun(run.folder.dir).live.snapshot();
  expect(workers.map(({ state, goneBecause }) => [state, goneBecause])).toEqual([
    ["left", "the run is over"],
    ["left", "the run is over"],
  ]);
});

test("a killed run is reported as stopped until it is resumed", async ({ run }) => {
  run.happens("begun");
  run.step(0, "a");
  run.release(); // as a kill leaves it: no last event, and no process
  const { live, poll } = followRun(run.folder.dir);
  poll();
  expect(live.snapshot().state).toBe("stopped");
  expect(live.snapshot().events.map(({ kind }) => kind)).toEqual(["begun", "stopped"]);
  await run.resume();
  run.step(0, "b");
  poll();
  expect(live.snapshot()).toMatchObject({ state: "running", stepsDone: 1, ledger: { samples: 4 } });
});
