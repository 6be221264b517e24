import { expect, test } from "vitest";
import { refusalLog } from "./refusal-log.ts";

test("of a flood of refusals one is told every ten seconds, with how many there were", () => {
  const lines: string[] = [];
  let nowMs = 0;
  const refused = refusalLog(
    (line) => lines.push(line),
    () => nowMs,
  );
  for (nowMs of [0, 1, 9999, 10_000, 15_000, 40_000, 60_000]) refused({ address: "192.0.2.1", reason: `At ${nowMs}.` });
  expect(lines).toEqual([
    "refused 192.0.2.1: At 0.",
    "refused 192.0.2.1: At 10000. (and 2 more before)",
    "refused 192.0.2.1: At 40000. (and 1 more before)",
    "refused 192.0.2.1: At 60000.",
  ]);
});
