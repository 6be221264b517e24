/** Tests that an event reaches the terminal, the log and the page. */
import { expect, test } from "vitest";
import { LiveRun } from "../live/live-run.ts";
import { lineDisplay } from "./display.ts";
import { eventLogger } from "./event-logger.ts";
import { jsonLine } from "./log.ts";

test("an event is printed, logged with the fields that programs need, and shown on the page", () => {
  const lines: string[] = [];
  const live = new LiveRun();
  const logEvent = eventLogger(
    lineDisplay((text, fields) => lines.push(jsonLine(text, fields, new Date(0)))),
    live,
  );
  logEvent("a joined", "joined", { worker: "a" });
  logEvent("the run pauses", "paused");
  const time = new Date(0).toISOString();
  expect(lines.map((line) => JSON.parse(line))).toEqual([
    { time, level: "info", message: "a joined", type: "joined", worker: "a" },
    { time, level: "warn", message: "the run pauses", type: "paused" },
  ]);
  expect(live.snapshot().events.map(({ text, kind }) => [text, kind])).toEqual([
    ["a joined", "joined"],
    ["the run pauses", "paused"],
  ]);
});
