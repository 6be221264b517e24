import { expect, test } from "vitest";
import { durationOf, lineDisplay } from "./display.ts";

test("without a terminal, a line tells of progress at once and then every ten seconds", () => {
  let nowMs = 0;
  const lines: string[] = [];
  const display = lineDisplay(
    (text) => lines.push(text),
    () => nowMs,
  );
  for (let step = 1; step <= 25; step++) {
    nowMs = step * 1000;
    display.progress({ step, steps: 100, loss: 2.30312, samplesPerSecond: 32, secondsLeft: 100 - step });
  }
  expect(lines).toEqual([
    "step   1/100  loss 2.303  32.0 images/s  1 min 39 s left",
    "step  11/100  loss 2.303  32.0 images/s  1 min 29 s left",
    "step  21/100  loss 2.303  32.0 images/s  1 min 19 s left",
  ]);
});

test.each([
  [0.4, "0 s"],
  [59.4, "59 s"],
  [200, "3 min 20 s"],
  [7500, "2 h 5 min"],
])("%d seconds read %s", (seconds, text) => expect(durationOf(seconds)).toBe(text));
