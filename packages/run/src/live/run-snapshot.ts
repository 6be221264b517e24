/** The snapshot of a live run: plain JSON data that the pages and /api/run show. It also runs in browsers. */

import type { EpochRow, StepRow, TestRow } from "../folder/metrics.ts";
import type { Report } from "../folder/report.ts";
import type { RunFile } from "../folder/run-file.ts";
import type { RunPhase } from "./phase.ts";
import { emptyHistory, type StepHistory } from "./step-history.ts";
import type { Progress, RunEvent, WorkerNow } from "./updates.ts";

/** The state of a run. */
export type RunState = "waiting" | "running" | "paused" | "finished" | "stopped" | "failed";

/** A worker of the run, with statistics of its work. */
export interface LiveWorker extends WorkerNow {
  /** Why the worker is no longer connected. */
  goneBecause?: string | undefined;
  /** Milliseconds of the disjoint parts of its last step, and of its socket's thread during that step. */
  ms: Record<string, number>;
  io: Record<string, number>;
  /** Samples of its last step; samples and bytes of all its steps. */
  lastSamples: number;
  samples: number;
  bytesUp: number;
  bytesDown: number;
  /** Slices that it recomputed for other workers. */
  redoneSlices: number;
  /** Number of its messages that were refused. */
  refused: number;
}

/** The committed samples of the epoch, and the workers that computed them. */
export interface Ledger {
  /** Counted from 1; 0 before the first step. */
  epoch: number;
  /** Samples committed so far in this epoch, each counted once. */
  samples: number;
  workers: { name: string; samples: number }[];
}

/** The complete state of a run at one time. */
export interface RunSnapshot {
  /** Name of the run's folder. */
  name: string;
  /** Undefined until the run has started. */
  run?: RunFile | undefined;
  state: RunState;
  /** Undefined until the run reports a phase; runs of older versions do not. */
  phase?: RunPhase | undefined;
  /** Number of updates made. */
  stepsDone: number;
  /** When the last step ended, in ms since 1970; undefined until this process has seen one end. */
  lastStepAtMs?: number | undefined;
  progress?: Progress | undefined;
  history: StepHistory;
  /** The last steps, newest last. */
  recent: StepRow[];
  epochs: EpochRow[];
  test?: TestRow | undefined;
  report?: Report | undefined;
  /** Connected workers, and the last ones that left. */
  workers: LiveWorker[];
  /** The last events, newest last. */
  events: RunEvent[];
  ledger: Ledger;
  /** Totals of all workers, including those no longer listed. */
  redoneSlices: number;
  refused: number;
}

/** Name of the only worker of a run in one process. */
export const LOCAL_WORKER = "this process";

/** The reason why a worker has left that stayed until the end. */
export const RUN_OVER = "the run is over";

/** Returns whether a worker has left or was lost. */
export const hasLeft = ({ state }: LiveWorker): boolean => state === "left" || state === "lost";

/** Returns whether a run has ended, in any way. */
export const isOver = ({ state }: Readonly<RunSnapshot>): boolean => ["finished", "stopped", "failed"].includes(state);

/** Returns each worker's share of a step; in a run in one process there is one. */
export function sharesOf({ workers, samples, ms }: StepRow): NonNullable<StepRow["workers"]> {
  if (workers !== undefined) return workers;
  const { step: _, ...parts } = ms;
  return [{ name: LOCAL_WORKER, samples, bytesUp: 0, bytesDown: 0, ms: parts, io: {} }];
}

/** Returns the snapshot of a run of which nothing is known yet. */
export function emptySnapshot(): RunSnapshot {
  return {
    name: "",
    state: "waiting",
    stepsDone: 0,
    history: emptyHistory(),
    recent: [],
    epochs: [],
    workers: [],
    events: [],
    ledger: { epoch: 0, samples: 0, workers: [] },
    redoneSlices: 0,
    refused: 0,
  };
}

/** Returns a worker that has done nothing yet. */
export function newWorker(name: string): LiveWorker {
  return {
    name,
    device: "",
    backend: "",
    state: "in",
    slices: [],
    ms: {},
    io: {},
    lastSamples: 0,
    samples: 0,
    bytesUp: 0,
    bytesDown: 0,
    redoneSlices: 0,
    refused: 0,
  };
}
