/** Rows of steps for tests. */
import type { StepRow } from "../folder/metrics.ts";

/** Returns the row of a step of four samples, with `more` in its place. */
export function stepRow(step: number, more: Partial<StepRow> = {}): StepRow {
  return {
    type: "step",
    epoch: 1,
    step,
    loss: 1 + (step % 7),
    samples: 4,
    correct: 2,
    lr: 0.1,
    ms: { step: 10 },
    ...more,
  };
}

/** Returns a worker's share of a step. */
export function share(name: string, samples: number, ms: Record<string, number> = {}) {
  return { name, samples, bytesUp: 100, bytesDown: 200, ms, io: {} };
}
