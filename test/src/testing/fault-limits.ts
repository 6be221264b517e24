/** The limits of runs with faults, and the bound on the time of their steps. */
import { median } from "@lockstep/run";
import type { StepRow } from "./undisturbed.ts";

/** The heartbeat interval. */
export const HEARTBEAT_MS = 500;
/** A worker that is silent for longer than this is dropped. */
export const SILENT_MS = 3 * HEARTBEAT_MS;

/** Time that other tests on the same cores may add. Tests in simulated time do without it. */
const BUSY_MS = 2000;

/**
 * Upper bound of a step in which a worker fails: max(3 heartbeats, 4 × the predicted time) plus two slice times.
 *
 * @param quiet the rows of undisturbed steps
 */
export function limitMs(quiet: readonly StepRow[]): number {
  const times = quiet.map(({ ms }) => ms.step);
  const checkMs = HEARTBEAT_MS / 4;
  return Math.max(SILENT_MS, 4 * median(times)) + checkMs + 2 * Math.max(...times) + BUSY_MS;
}

/** Options of a long run on drawn shapes. */
export const shapes = [
  "--dataset",
  "shapes",
  "--train-fraction",
  "1",
  "--no-test",
  "--num-epochs",
  "1000",
  "--lr",
  "0.05",
];

/** Options of runs with faults: an epoch has 167 steps, and a step has many slices, so that faults fall into a step. */
export const manySteps = [...shapes, "--batch-size", "60", "--slice-rows", "5"];
