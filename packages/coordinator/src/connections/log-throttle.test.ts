import { expect, test } from "vitest";
import { throttleLog } from "./log-throttle.ts";

test("a line is followed by none for ten seconds, and the next one says how many were left out", () => {
  const lines: string[] = [];
  let nowMs = 0;
  const print = throttleLog(
    (line) => lines.push(line),
    () => nowMs,
  );
  for (nowMs of [5, 6, 10_004, 10_005, 20_004, 90_000, 100_000]) print(`at ${nowMs}`);
  expect(lines).toEqual(["at 5", "at 10005 (and 2 more before)", "at 90000 (and 1 more before)", "at 100000"]);
});
