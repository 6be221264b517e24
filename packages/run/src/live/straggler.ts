/** Finds the worker that holds up the steps, and the part of its step that does. */
import type { StepRow } from "../folder/metrics.ts";
import { mean, median } from "../statistics.ts";
import { sharesOf } from "./live-run.ts";

/** Milliseconds of each part of a worker's step, as a mean over steps. */
export interface WorkerParts {
  name: string;
  ms: Record<string, number>;
}

/** A worker that the others wait for. */
export interface Straggler {
  name: string;
  /** Fraction of a step that the others wait for it. */
  fraction: number;
  /** The part in which it falls behind most, and how long the others take for it: their median. */
  part: string;
  partMs: number;
  medianMs: number;
}

/** The part of a worker's step in which it has nothing to do. */
export const WAIT = "wait";
/** A smaller fraction of a step is noise. */
const LEAST_FRACTION = 0.05;

/** Means over the steps that each worker took part in. */
export function partsOf(steps: readonly StepRow[]): WorkerParts[] {
  const all = new Map<string, { steps: number; ms: Record<string, number> }>();
  for (const { name, ms } of steps.flatMap(sharesOf)) {
    const sums = all.get(name) ?? { steps: 0, ms: {} };
    all.set(name, sums);
    sums.steps++;
    for (const [part, partMs] of Object.entries(ms)) sums.ms[part] = (sums.ms[part] ?? 0) + partMs;
  }
  return [...all].map(([name, sums]) => ({
    name,
    ms: Object.fromEntries(Object.entries(sums.ms).map(([part, ms]) => [part, ms / sums.steps])),
  }));
}

/** The worker that the others wait for, if they wait for one for more than a moment. */
export function stragglerOf(steps: readonly StepRow[]): Straggler | undefined {
  const workers = partsOf(steps);
  const stepMs = mean(steps.map(({ ms }) => ms.step));
  const [slowest, ...others] = workers.sort((a, b) => busyMs(b) - busyMs(a));
  if (slowest === undefined || others.length === 0) return undefined;
  const fraction = (busyMs(slowest) - median(others.map(busyMs))) / stepMs;
  if (fraction < LEAST_FRACTION) return undefined;
  const behind = Object.entries(slowest.ms)
    .filter(([part]) => part !== WAIT)
    .map(([part, partMs]) => ({ part, partMs, medianMs: median(others.map(({ ms }) => ms[part] ?? 0)) }))
    .sort((a, b) => b.partMs - b.medianMs - (a.partMs - a.medianMs));
  return { name: slowest.name, fraction, ...behind[0]! };
}

const busyMs = ({ ms }: WorkerParts) =>
  Object.entries(ms).reduce((total, [part, partMs]) => (part === WAIT ? total : total + partMs), 0);
