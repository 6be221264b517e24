/** Tests what `pnpm verify` prints while it trains. */
import type { Display } from "@lockstep/run";
import { expect, test } from "vitest";
import { VerifyReport } from "./verify-report.ts";

const progress = { step: 1, steps: 4, loss: 2.5, samplesPerSecond: 32, secondsLeft: 3 };
const inJson = (message: string, fields = {}) => JSON.stringify({ message, ...fields });

/** Reports a training with one worker and one with two, and returns what the display shows. */
function shown(isTerminal: boolean) {
  const lines: unknown[] = [];
  const show = (content: unknown) => void lines.push(content);
  const display: Display = { isTerminal, line: show, progress: ({ step }) => show(step), close: () => {} };
  const report = new VerifyReport(display);
  report.line("training with 1 worker");
  report.childLine(inJson("engine: native TensorFlow"));
  report.childLine(inJson("model: M"));
  report.childLine(inJson("step 1/4", { type: "progress", ...progress }));
  report.line("training with 2 workers");
  report.progressDisplay.line("model: M");
  report.progressDisplay.progress({ ...progress, step: 2 });
  return lines;
}

test("verify prints a line for each run, the engine, and on a terminal the progress", () => {
  expect(shown(true)).toEqual(["training with 1 worker", "engine: native TensorFlow", 1, "training with 2 workers", 2]);
  expect(shown(false)).toEqual(["training with 1 worker", "engine: native TensorFlow", "training with 2 workers"]);
});
