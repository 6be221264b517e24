import { appendFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LockstepError } from "@lockstep/errors";
import { defined, mountSmallDisk } from "@lockstep/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { LiveRun } from "../live/live-run.ts";
import { parseEventLog, readEvents, recordEvents } from "./event-log.ts";

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "lockstep-events-"));
});
afterAll(() => rmSync(dir, { recursive: true }));

test("events outlive the process, a half-written line spoils none, and a resumed run tells the old ones too", () => {
  const path = join(dir, "events.jsonl");
  const first = new LiveRun(undefined, () => 0);
  recordEvents(first, path);
  first.event("a joined: a CPU, native", "joined", { worker: "a", device: "a CPU", backend: "native" });
  first.apply({ type: "history", rows: [] }); // no event
  appendFileSync(path, '{"at":"19');
  const again = new LiveRun(undefined, () => 1000);
  recordEvents(again, path);
  again.event("waiting for 1 workers", "waiting");
  expect(readFileSync(path, "utf8").split("\n")).toHaveLength(4); // with the phase that the run is in while it waits
  const [joined, waiting] = readEvents(path);
  expect(joined).toEqual({
    at: "1970-01-01T00:00:00.000Z",
    kind: "joined",
    text: "a joined: a CPU, native",
    worker: "a",
    device: "a CPU",
    backend: "native",
  });
  expect(defined(waiting).at).toBe("1970-01-01T00:00:01.000Z");
  expect(again.snapshot().events).toEqual([joined, waiting]);
});

/** The lines of a file that tell of phases. */
const phaseLines = (path: string) =>
  readFileSync(path, "utf8")
    .split("\n")
    .filter((line) => line.includes('"kind":"phase"'))
    .map((line) => JSON.parse(line));

test("each change of phase is a line, and the phases that alternate between tasks are one", () => {
  const path = join(dir, "phases.jsonl");
  let nowMs = 0;
  const live = new LiveRun(undefined, () => nowMs++);
  recordEvents(live, path);
  live.phase("gathering");
  live.event("waiting for 2 workers", "waiting");
  live.event("the run starts", "begun");
  for (const name of ["starting", "idle", "stepping", "idle", "evaluating", "idle"] as const) live.phase(name);
  live.phase("paused", "1 of at least 2 workers are here");
  live.phase("paused", "0 of at least 2 workers are here");
  for (const name of ["idle", "evaluating", "stepping", "lost", "gathering"] as const) live.phase(name);
  live.event("the disk is full", "failed"); // no phase of that is told by name
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

test("a process does not take over the phase of the one before, and tells its own", () => {
  const path = join(dir, "killed.jsonl");
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

test("lines that a later version may write are left out, and those around them are not", () => {
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

test("an event that comes when another process has taken the run is not written", () => {
  const path = join(dir, "taken.jsonl");
  const live = new LiveRun();
  let taken = false;
  const assertHeld = () => {
    if (taken) throw new LockstepError("ERR_RUN_TAKEN", "Another process has taken the folder.");
  };
  recordEvents(live, path, { assertHeld });
  live.event("a joined", "joined");
  taken = true;
  live.event("Another process has taken the folder.", "failed");
  expect(readEvents(path).map(({ kind }) => kind)).toEqual(["joined"]);
});

test("an event that a full disk cut is left out, and those before and after it are not", ({ skip }) => {
  const disk = mountSmallDisk(1_000_000) ?? skip("mounting is not allowed here");
  try {
    const path = join(disk.dir, "events.jsonl");
    const live = new LiveRun();
    recordEvents(live, path);
    live.event("a joined", "joined");
    disk.fill(0);
    live.event("x".repeat(100_000), "joined"); // the block that the file has already takes the beginning
    disk.clear();
    live.event("b joined", "joined");
    expect(readEvents(path).map(({ text }) => text)).toEqual(["a joined", "b joined"]);
    expect(readFileSync(path, "utf8").split("\n")).toHaveLength(3);
  } finally {
    disk.unmount();
  }
});

test("a disk that can't be written does not end a run by its events", () => {
  const live = new LiveRun();
  recordEvents(live, join(dir, "nowhere", "events.jsonl"));
  live.event("a joined", "joined");
  expect(live.snapshot().events).toHaveLength(1);
});
