import { appendFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LockstepError } from "@lockstep/errors";
import { mountSmallDisk } from "@lockstep/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { LiveRun } from "../live/live-run.ts";
import { keepEvents, readEvents } from "./event-log.ts";

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "lockstep-events-"));
});
afterAll(() => rmSync(dir, { recursive: true }));

test("events outlive the process, a half-written line spoils none, and a resumed run tells the old ones too", () => {
  const path = join(dir, "events.jsonl");
  const first = new LiveRun(undefined, () => 0);
  keepEvents(first, path);
  first.event("a joined: a CPU, native", "joined", { worker: "a", device: "a CPU", backend: "native" });
  first.take({ type: "history", rows: [] }); // no event
  appendFileSync(path, '{"at":"19');
  const again = new LiveRun(undefined, () => 1000);
  keepEvents(again, path);
  again.event("waiting for 1 workers", "waiting");
  expect(readFileSync(path, "utf8").split("\n")).toHaveLength(3);
  const [joined, waiting] = readEvents(path);
  expect(joined).toEqual({
    ...{ at: "1970-01-01T00:00:00.000Z", kind: "joined", text: "a joined: a CPU, native" },
    ...{ worker: "a", device: "a CPU", backend: "native" },
  });
  expect(waiting!.at).toBe("1970-01-01T00:00:01.000Z");
  expect(again.snapshot().events).toEqual([joined, waiting]);
});

test("an event that comes when another process has taken the run is not written", () => {
  const path = join(dir, "taken.jsonl");
  const live = new LiveRun();
  let taken = false;
  const expectHeld = () => {
    if (taken) throw new LockstepError("ERR_RUN_TAKEN", "Another process has taken the folder.");
  };
  keepEvents(live, path, { expectHeld });
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
    keepEvents(live, path);
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
  keepEvents(live, join(dir, "nowhere", "events.jsonl"));
  live.event("a joined", "joined");
  expect(live.snapshot().events).toHaveLength(1);
});
