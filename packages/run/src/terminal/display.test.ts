/** Tests the display of a process without a terminal. */
import { expect, test } from "vitest";
import { lineDisplay } from "./display.ts";

test("a display without a terminal prints a line of progress at once and then every ten seconds", () => {
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
