/** Tests the phase of a live run. */
import { expect, test } from "vitest";
import { LiveRun } from "./live-run.ts";
import type { RunUpdate } from "./updates.ts";

test("a phase is one update when it changes, with its start and its reason", () => {
  const clock = { nowMs: 1000 };
  const run = new LiveRun(undefined, () => clock.nowMs);
  const updates: RunUpdate[] = [];
  run.subscribe((update) => updates.push(update));
  expect(run.snapshot().phase).toBeUndefined();
  run.phase("stepping");
  clock.nowMs = 2000;
  run.phase("stepping");
  expect(run.snapshot().phase).toEqual({ name: "stepping", sinceMs: 1000 });
  run.phase("paused", "1 of at least 2 workers are here");
  run.phase("paused", "0 of at least 2 workers are here");
  expect(updates).toEqual([
    { type: "phase", phase: { name: "stepping", sinceMs: 1000 } },
    { type: "phase", phase: { name: "paused", sinceMs: 2000, reason: "1 of at least 2 workers are here" } },
    { type: "phase", phase: { name: "paused", sinceMs: 2000, reason: "0 of at least 2 workers are here" } },
  ]);
});

test("the phase follows from the events that begin and end a run, and is unknown otherwise", () => {
  const run = new LiveRun(undefined, () => 1000);
  const phases = (["waiting", "begun", "finished", "checkpoint", "resumed", "paused", "failed"] as const).map(
    (kind) => {
      run.event("text", kind);
      return run.snapshot().phase?.name;
    },
  );
  expect(phases).toEqual(["gathering", undefined, "over", "over", undefined, undefined, "over"]);
  expect(run.snapshot().phase?.sinceMs).toBe(1000);
});

test("a run that is over stays over, whatever its workers still do", () => {
  const run = new LiveRun();
  run.phase("stepping");
  run.event("begun", "begun");
  expect(run.snapshot().phase?.name).toBe("stepping");
  run.event("the disk is full", "failed");
  run.phase("lost");
  expect(run.snapshot().phase?.name).toBe("over");
});
