import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type SignalName, stopCauseOf } from "../stop-reason.ts";
import { type Interrupts, stoppedStatus, untilAskedToStop, watchInterrupts } from "./interrupts.ts";

describe("a run that watches for requests to stop", () => {
  const lines: string[] = [];
  const exits: number[] = [];
  let nowMs = 0;
  let interrupts: Interrupts;

  beforeEach(() => {
    lines.length = exits.length = nowMs = 0;
    interrupts = watchInterrupts({
      doing: "stopping after this step",
      log: (line) => lines.push(line),
      nowMs: () => nowMs,
      exit: (status) => exits.push(status),
    });
  });
  afterEach(() => interrupts.unwatch());

  const comes = (signal: SignalName) => process.emit(signal, signal);

  test.each([
    ["SIGINT", 130, "stopping after this step; Ctrl-C again stops at once"],
    ["SIGTERM", 143, "received SIGTERM: stopping after this step; another SIGTERM stops at once"],
    ["SIGHUP", 129, "the terminal has closed (SIGHUP): stopping after this step; SIGTERM stops at once"],
  ] as const)("stops for %s with status %i, and says which signal came", (signal, status, line) => {
    expect(interrupts.signal.aborted).toBe(false);
    comes(signal);
    expect(stopCauseOf(interrupts.signal)).toEqual({ type: "signal", signal });
    expect(stoppedStatus(interrupts.signal)).toBe(status);
    expect(lines).toEqual([line]);
    expect(exits).toEqual([]);
  });

  test("ends at once at a second Ctrl-C, however soon", () => {
    comes("SIGINT");
    comes("SIGINT");
    expect(exits).toEqual([130]);
  });

  test("ends at once at a second SIGTERM, but not at the echo of the first", () => {
    comes("SIGTERM");
    nowMs = 1000;
    comes("SIGTERM");
    expect(exits).toEqual([]);
    nowMs = 1001;
    comes("SIGTERM");
    expect(exits).toEqual([143]);
  });

  test("does not end for the second SIGHUP of a terminal that closes", () => {
    comes("SIGHUP");
    nowMs = 5000;
    comes("SIGHUP");
    expect(exits).toEqual([]);
    expect(lines).toHaveLength(1);
    comes("SIGINT");
    expect(exits).toEqual([130]);
  });

  test("listens no more when it is over", () => {
    interrupts.unwatch();
    expect(process.listenerCount("SIGINT")).toBe(0);
    expect(process.listenerCount("SIGTERM")).toBe(0);
    expect(process.listenerCount("SIGHUP")).toBe(0);
  });
});

test("whoever waits for a request to stop hears of it once", async () => {
  const asked = untilAskedToStop();
  process.emit("SIGTERM", "SIGTERM");
  expect(await asked).toBe("SIGTERM");
  expect(process.listenerCount("SIGTERM")).toBe(0);
});
