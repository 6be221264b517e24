/**
 * Writes a trace of a run's last steps for https://ui.perfetto.dev. It has one row for the coordinator (or for this
 * machine, if the run has one process), and one for each worker. All times are on the clock of the first row.
 *
 * Source: "Trace Event Format" (Chromium): complete events (X) and metadata (M), times in microseconds.
 */

import { writeSmallFile } from "@lockstep/files";
import { readMetrics, type StepRow } from "../folder/metrics.ts";
import type { RunFolder } from "../folder/run-folder.ts";
import { sum } from "../statistics.ts";
import type { WorkerShare } from "../team.ts";

/** Number of steps that a trace shows. */
const LAST_STEPS = 200;

/** The parts of a worker's step, in order. Parts that alternate (backward, read-back) are drawn as one block each. */
const PARTS = ["apply", "data", "forward", "backward", "read-back"];

type TraceEvent =
  | { ph: "M"; name: "thread_name"; pid: 0; tid: number; args: { name: string } }
  | { ph: "X"; name: string; pid: 0; tid: number; ts: number; dur: number; args?: Record<string, unknown> };

/** A trace in the Trace Event Format, which Perfetto reads. */
export interface Trace {
  displayTimeUnit: "ms";
  traceEvents: TraceEvent[];
}

/** Writes the trace of the last steps of a run, from its metrics. */
export function writeTrace(path: string, { metrics }: Pick<RunFolder, "metrics">): void {
  const steps = readMetrics(metrics).filter((row) => row.type === "step");
  writeSmallFile(path, `${JSON.stringify(traceOf(steps.slice(-LAST_STEPS)))}\n`);
}

/** Returns the trace of these steps. Each starts where the previous one ends; time between steps is left out. */
export function traceOf(rows: readonly StepRow[]): Trace {
  const lead = rows.some(({ workers }) => workers !== undefined) ? "coordinator" : "this machine";
  const threads = [lead];
  const events: TraceEvent[] = [];
  let startMs = 0;
  for (const { step, epoch, loss, samples, ms, workers = [] } of rows) {
    const { step: stepMs, ...parts } = ms;
    const span = { startMs, endMs: startMs + stepMs };
    events.push(complete(`step ${step}`, 0, span, { epoch, loss, samples }));
    events.push(...inOrder(0, span, Object.entries(parts)));
    for (const { name, ...share } of workers) {
      if (!threads.includes(name)) threads.push(name);
      const { samples, bytesUp, bytesDown, io } = share;
      const args = { step, samples, bytesUp, bytesDown, io };
      events.push(...inOrder(threads.indexOf(name), span, segmentsOf(share, stepMs), args));
    }
    startMs = span.endMs;
  }
  const names = threads.map((name, tid): TraceEvent => ({ ph: "M", name: "thread_name", pid: 0, tid, args: { name } }));
  return { displayTimeUnit: "ms", traceEvents: [...names, ...events] };
}

/**
 * Returns the parts of a worker's step, with their milliseconds: it waits, computes until `doneMs`, and waits again.
 * Without `doneMs`, it starts to compute at once.
 */
function segmentsOf({ ms, doneMs }: Pick<WorkerShare, "ms" | "doneMs">, stepMs: number): [string, number][] {
  const busy = PARTS.flatMap((part): [string, number][] => (ms[part] === undefined ? [] : [[part, ms[part]]]));
  const busyMs = sum(busy.map(([, partMs]) => partMs));
  const beforeMs = Math.max(0, (doneMs ?? busyMs) - busyMs);
  return [["wait", beforeMs], ...busy, ["wait", stepMs]];
}

interface Span {
  startMs: number;
  endMs: number;
}

/** Places parts one after another, and cuts them at the end of the step, since a worker may have started before it. */
function inOrder(
  tid: number,
  step: Span,
  parts: readonly [string, number][],
  args?: Record<string, unknown>,
): TraceEvent[] {
  let atMs = step.startMs;
  return parts.flatMap(([name, partMs]) => {
    const span = { startMs: atMs, endMs: Math.min(step.endMs, atMs + partMs) };
    atMs = span.endMs;
    const event = complete(name, tid, span, args);
    return event.dur > 0 ? [event] : [];
  });
}

/** Returns a complete event. Starts and ends are rounded alike, so that events neither overlap nor leave their step. */
function complete(name: string, tid: number, { startMs, endMs }: Span, args?: Record<string, unknown>) {
  const ts = Math.round(1000 * startMs);
  return {
    ph: "X" as const,
    name,
    pid: 0 as const,
    tid,
    ts,
    dur: Math.round(1000 * endMs) - ts,
    ...(args && { args }),
  };
}
