/** Checks the throttling of a log on a clock that the test sets. */
import { expect, test } from "vitest";
import { throttleLog } from "./log-throttle.ts";

test("a throttled log prints one line per ten seconds, and counts the suppressed ones in the next", () => {
  const lines: string[] = [];
  let nowMs = 0;
  const print = throttleLog(
    (line) => lines.push(line),
    () => nowMs,
  );
  for (nowMs of [5, 6, 10_004, 10_005, 20_004, 90_000, 100_000]) print(`at ${nowMs}`);
  expect(lines).toEqual(["at 5", "at 10005 (2 more suppressed)", "at 90000 (1 more suppressed)", "at 100000"]);
});
