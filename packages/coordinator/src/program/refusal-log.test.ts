/** Checks on a clock that the test sets which lines a flood of refusals leaves. */
import { expect, test } from "vitest";
import { refusalLog } from "./refusal-log.ts";

test("a flood of refused connections prints one line per ten seconds, with the number suppressed", () => {
  const lines: string[] = [];
  let nowMs = 0;
  const refused = refusalLog(
    (line) => lines.push(line),
    () => nowMs,
  );
  for (nowMs of [0, 1, 9999, 10_000, 15_000, 40_000, 60_000]) refused({ address: "192.0.2.1", reason: `At ${nowMs}.` });
  expect(lines).toEqual([
    "refused 192.0.2.1: At 0.",
    "refused 192.0.2.1: At 10000. (2 more suppressed)",
    "refused 192.0.2.1: At 40000. (1 more suppressed)",
    "refused 192.0.2.1: At 60000.",
  ]);
});
