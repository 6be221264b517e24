/** Finds the worker that slows down the steps, and which part of its step does. */
import { at } from "@lockstep/errors";
import type { StepRow } from "../folder/metrics.ts";
import { mean, median } from "../statistics.ts";
import { sharesOf } from "./run-snapshot.ts";

/** Mean milliseconds of each part of a worker's step. */
export interface WorkerParts {
  name: string;
  ms: Record<string, number>;
}

/** A worker that the others wait for. */
export interface Straggler {
  name: string;
  /** Fraction of a step during which the others wait for it. */
  fraction: number;
  /** The part in which it falls furthest behind, and the median time of the others for that part. */
  part: string;
  partMs: number;
  medianMs: number;
}

/** The part of a worker's step in which it is idle. */
export const WAIT = "wait";
/** A smaller fraction of a step is noise. */
const MIN_FRACTION = 0.05;

/** Returns the means of each worker, over the steps that it took part in. */
export function workerParts(steps: readonly StepRow[]): WorkerParts[] {
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

/** Returns the worker that the others wait for; undefined if their wait is negligible. */
export function stragglerOf(steps: readonly StepRow[]): Straggler | undefined {
  const workers = workerParts(steps);
  const stepMs = mean(steps.map(({ ms }) => ms.step));
  const [slowest, ...others] = workers.sort((a, b) => busyMs(b) - busyMs(a));
  if (slowest === undefined || others.length === 0) return undefined;
  const fraction = (busyMs(slowest) - median(others.map(busyMs))) / stepMs;
  if (fraction < MIN_FRACTION) return undefined;
  const behind = Object.entries(slowest.ms)
    .filter(([part]) => part !== WAIT)
    .map(([part, partMs]) => ({ part, partMs, medianMs: median(others.map(({ ms }) => ms[part] ?? 0)) }))
    .sort((a, b) => b.partMs - b.medianMs - (a.partMs - a.medianMs));
  return { name: slowest.name, fraction, ...at(behind, 0) };
}

const busyMs = ({ ms }: WorkerParts) =>
  Object.entries(ms).reduce((total, [part, partMs]) => (part === WAIT ? total : total + partMs), 0);
