/** Tests how a run reacts to signals that ask it to stop. */
import { test as base, expect } from "vitest";
import { type SignalName, stopCauseOf } from "../stop-reason.ts";
import { stoppedStatus, untilAskedToStop, watchInterrupts } from "./interrupts.ts";

/** Tests with the fixture `watched`: the interrupts of a run, what it prints and how it exits, and its clock. */
// biome-ignore lint/correctness/noEmptyPattern: Vitest reads a fixture's needs from this pattern
const test = base.extend("watched", ({}, { onCleanup }) => {
  const watched: { lines: string[]; exits: number[]; nowMs: number } = { lines: [], exits: [], nowMs: 0 };
  const interrupts = watchInterrupts({
    doing: "stopping after this step",
    log: (line) => watched.lines.push(line),
    nowMs: () => watched.nowMs,
    exit: (status) => watched.exits.push(status),
  });
  onCleanup(() => interrupts.unwatch());
  return Object.assign(watched, { interrupts });
});

const comes = (signal: SignalName) => process.emit(signal, signal);

test.for([
  ["SIGINT", 130, "stopping after this step; Ctrl-C again stops at once"],
  ["SIGTERM", 143, "received SIGTERM: stopping after this step; another SIGTERM stops at once"],
  ["SIGHUP", 129, "the terminal has closed (SIGHUP): stopping after this step; SIGTERM stops at once"],
] as const)("a run stops for %s with status %i, and says which signal came", ([signal, status, line], { watched }) => {
  const { interrupts, lines, exits } = watched;
  expect(interrupts.signal.aborted).toBe(false);
  comes(signal);
  expect(stopCauseOf(interrupts.signal)).toEqual({ type: "signal", signal });
  expect(stoppedStatus(interrupts.signal)).toBe(status);
  expect(lines).toEqual([line]);
  expect(exits).toEqual([]);
});

test("a run ends at once at a second Ctrl-C, however soon it comes", ({ watched: { exits } }) => {
  comes("SIGINT");
  comes("SIGINT");
  expect(exits).toEqual([130]);
});

test("a run ends at once at a second SIGTERM, but not at the echo of the first", ({ watched }) => {
  comes("SIGTERM");
  watched.nowMs = 1000;
  comes("SIGTERM");
  expect(watched.exits).toEqual([]);
  watched.nowMs = 1001;
  comes("SIGTERM");
  expect(watched.exits).toEqual([143]);
});

test("a run does not end at once for the second SIGHUP of a terminal that closes", ({ watched }) => {
  comes("SIGHUP");
  watched.nowMs = 5000;
  comes("SIGHUP");
  expect(watched.exits).toEqual([]);
  expect(watched.lines).toHaveLength(1);
  comes("SIGINT");
  expect(watched.exits).toEqual([130]);
});

test("a run that is over no longer listens to signals", ({ watched }) => {
  watched.interrupts.unwatch();
  expect(process.listenerCount("SIGINT")).toBe(0);
  expect(process.listenerCount("SIGTERM")).toBe(0);
  expect(process.listenerCount("SIGHUP")).toBe(0);
});

test("untilAskedToStop resolves with the first signal, and then no longer listens", async () => {
  const asked = untilAskedToStop();
  process.emit("SIGTERM", "SIGTERM");
  expect(await asked).toBe("SIGTERM");
  expect(process.listenerCount("SIGTERM")).toBe(0);
});
