import { expect, test } from "vitest";
import { lineDisplay } from "../terminal/display.ts";
import { jsonLine } from "../terminal/log.ts";
import { LiveRun } from "./live-run.ts";
import { eventTeller } from "./tell-event.ts";

test("an event is told on the terminal, in the log with what programs need, and on the page", () => {
  const lines: string[] = [];
  const live = new LiveRun();
  const tell = eventTeller(
    lineDisplay((text, fields) => lines.push(jsonLine(text, fields, new Date(0)))),
    live,
  );
  tell("a joined", "joined", { worker: "a" });
  tell("the run pauses", "paused");
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
