/** Tests of the events and phases in `events.jsonl`, as they are written and read back. */
import { appendFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { LockstepError } from "@lockstep/errors";
import { test as base } from "@lockstep/testing";
import { expect } from "vitest";
import { LiveRun } from "../live/live-run.ts";
import { parseEventLog, readEvents, recordEvents } from "./event-log.ts";

/** Tests with the path of an event log that does not exist yet. */
const test = base.extend("path", ({ folder }) => join(folder, "events.jsonl"));

test("events outlive a process, also after a half-written line, and a resumed run has the old ones", ({ path }) => {
  const first = new LiveRun(undefined, () => 0);
  recordEvents(first, path);
  first.event("a joined: a CPU, native", "joined", { worker: "a", device: "a CPU", backend: "native" });
  first.apply({ type: "history", rows: [] }); // no event
  appendFileSync(path, '{"at":"19');
  const again = new LiveRun(undefined, () => 1000);
  recordEvents(again, path);
  again.event("waiting for 1 workers", "waiting");
  expect(readFileSync(path, "utf8").split("\n")).toHaveLength(4); // with the phase that the run is in while it waits
  const events = readEvents(path);
  expect(events).toEqual([
    {
      at: "1970-01-01T00:00:00.000Z",
      kind: "joined",
      text: "a joined: a CPU, native",
      worker: "a",
      device: "a CPU",
      backend: "native",
    },
    { at: "1970-01-01T00:00:01.000Z", kind: "waiting", text: "waiting for 1 workers" },
  ]);
  expect(again.snapshot().events).toEqual(events);
});

/** Returns the lines of a file that record phases. */
const phaseLines = (path: string) =>
  readFileSync(path, "utf8")
    .split("\n")
    .filter((line) => line.includes('"kind":"phase"'))
    .map((line) => JSON.parse(line));

test("each change of phase is a line, and the phases that alternate between tasks are one line", ({ path }) => {
  const clock = { nowMs: 0 };
  const live = new LiveRun(undefined, () => clock.nowMs++);
  recordEvents(live, path);
  live.phase("gathering");
  live.event("waiting for 2 workers", "waiting");
  live.event("the run starts", "begun");
  for (const name of ["starting", "idle", "stepping", "idle", "evaluating", "idle"] as const) live.phase(name);
  live.phase("paused", "1 of at least 2 workers are here");
  live.phase("paused", "0 of at least 2 workers are here");
  for (const name of ["idle", "evaluating", "stepping", "lost", "gathering"] as const) live.phase(name);
  live.event("the disk is full", "failed"); // this event alone ends the last phase
  expect(phaseLines(path).map(({ text }) => text)).toEqual([
    "gathering",
    "starting",
    "stepping",
    "paused: 1 of at least 2 workers are here",
    "paused: 0 of at least 2 workers are here",
    "stepping",
    "lost",
    "gathering",
    "over",
  ]);
  expect(phaseLines(path)[3]).toEqual({
    at: "1970-01-01T00:00:00.009Z",
    kind: "phase",
    text: "paused: 1 of at least 2 workers are here",
    phase: "paused",
    reason: "1 of at least 2 workers are here",
  });
  expect(live.snapshot().events.map(({ kind }) => kind)).toEqual(["waiting", "begun", "failed"]); // the page's list
});

test("a process does not take over the phase of the process before it, and records its own", ({ path }) => {
  const killed = new LiveRun();
  recordEvents(killed, path);
  killed.event("the run starts", "begun");
  killed.phase("stepping");
  const next = new LiveRun();
  recordEvents(next, path);
  expect(next.snapshot().phase).toBeUndefined();
  next.event("the run goes on", "resumed");
  next.phase("stepping");
  next.event("the run is over", "finished");
  const again = new LiveRun();
  recordEvents(again, path);
  again.event("a checkpoint is requested", "wanted");
  expect(phaseLines(path).map(({ phase }) => phase)).toEqual(["stepping", "stepping", "over"]);
});

test("the unknown lines of a later version are skipped, and the lines around them are read", () => {
  const at = "2026-11-24T12:00:00.000Z";
  const lines = [
    { at, kind: "phase", text: "dancing", phase: "dancing" },
    { at, kind: "phase", text: "stepping", phase: "stepping", mood: "good" },
    { at, kind: "danced", text: "a danced" },
    { at, kind: "phase", text: "lost", phase: "lost" },
    { at, kind: "joined", text: "a joined" },
  ];
  expect(parseEventLog(lines.map((line) => JSON.stringify(line)).join("\n"))).toEqual([
    { type: "phase", phase: { name: "lost", sinceMs: Date.parse(at) } },
    { type: "event", event: { at, kind: "joined", text: "a joined" } },
  ]);
});

test("an event that comes after another process has taken the run is not written", ({ path }) => {
  const live = new LiveRun();
  const lease = {
    isTaken: false,
    assertHeld() {
      if (lease.isTaken) throw new LockstepError("ERR_RUN_TAKEN", "Another process has taken the folder.");
    },
  };
  recordEvents(live, path, lease);
  live.event("a joined", "joined");
  lease.isTaken = true;
  live.event("Another process has taken the folder.", "failed");
  expect(readEvents(path).map(({ kind }) => kind)).toEqual(["joined"]);
});

test("a disk that cannot be written does not end a run by its events", ({ folder }) => {
  const live = new LiveRun();
  recordEvents(live, join(folder, "nowhere", "events.jsonl"));
  live.event("a joined", "joined");
  expect(live.snapshot().events).toHaveLength(1);
});
