/** Checks the medians of a run's metrics, worked out by hand from rows whose warm-up is slower. */
import type { MetricsRow } from "@lockstep/run";
import { expect, test } from "vitest";
import { timesOf } from "./lockstep-times.ts";

const worker = (name: string, bytesUp: number, forward: number) => ({
  name,
  samples: 32,
  bytesUp,
  bytesDown: 2 * bytesUp,
  ms: { forward },
  io: {},
});

const row = (step: number, ms: number): MetricsRow => ({
  type: "step",
  epoch: 1,
  step,
  loss: 2,
  samples: 64,
  correct: 6,
  lr: 0.01,
  slices: 2,
  ms: { step: ms },
  workers: [worker("worker-0", 100, ms / 2), worker("worker-1", 102, ms / 4)],
});

test("the times of a run are those of its steps after the warm-up", () => {
  const test: MetricsRow = { type: "test", step: 8, loss: 2, accuracy: 0.1, samples: 10 };
  const rows = [900, 800, 700, 700, 700, 400, 440, 480].map((ms, step) => row(step, ms));
  expect(timesOf([...rows, test], "native")).toEqual({
    engine: "native",
    stepMs: [400, 440, 480],
    bytesUp: 101,
    bytesDown: 202,
    parts: { "ms.step": 440, "worker-0.ms.forward": 220, "worker-1.ms.forward": 110 },
  });
});
