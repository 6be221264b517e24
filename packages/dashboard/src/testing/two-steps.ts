/** A short live run for tests. */
import type { LiveRun } from "@lockstep/run/live";

const sums = { type: "step", epoch: 2, samples: 8, correct: 1, lr: 0.1, slices: 2 } as const;

function share(name: string, ms: Record<string, number>) {
  return { name, samples: 4, bytesUp: 1000, bytesDown: 3000, ms, io: { send: 30 } };
}

/**
 * Adds two steps of the workers `a` and `b "the \ second"`. The second one is lost then, and its slice is reassigned.
 */
export function addTwoSteps(live: LiveRun): void {
  const a = share("a", { forward: 100, wait: 150 });
  const b = share('b "the \\ second"', { forward: 240, wait: 10 });
  live.event("joined", "joined", { worker: "a", device: "a CPU", backend: "native" });
  live.apply({ type: "row", row: { ...sums, step: 6, loss: 3, ms: { step: 260 }, workers: [a, b] } });
  live.apply({ type: "row", row: { ...sums, step: 7, loss: 2.5, ms: { step: 250 }, workers: [a, b] } });
  live.event("refused", "refused", { worker: b.name });
  live.event("lost", "lost", { worker: b.name });
  live.event("slice 1 goes to a", "slice-redone", { worker: "a" });
  live.apply({ type: "progress", progress: { step: 8, steps: 20, loss: 2.5, samplesPerSecond: 32, secondsLeft: 3 } });
  const now = { state: "in", slices: [{ start: 8, end: 16 }], heartbeatAgeMs: 70 } as const;
  live.apply({ type: "team", workers: [{ name: "a", device: "a CPU", backend: "native", ...now }] });
}
