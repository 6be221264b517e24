/** The updates that a run sends while it runs. Applied in order, they give its complete live state. */

import type { MetricsRow } from "../folder/metrics.ts";
import type { Report } from "../folder/report.ts";
import type { RunFile } from "../folder/run-file.ts";
import type { RunPhase } from "./phase.ts";

/** The kinds of events of a run. */
export const EVENT_KINDS = [
  /** The run is waiting for its first workers. */
  "waiting",
  "begun",
  /** The run continues from a checkpoint, or from the workers' state. */
  "resumed",
  "paused",
  "goes-on",
  "finished",
  "stopped",
  "failed",
  "joined",
  /** A worker's connection ended, it was dropped, or it left by itself. */
  "lost",
  "dropped",
  "left",
  /** A late joiner has received the weights, and computes slices from now on. */
  "caught-up",
  /** A slice was reassigned to another worker. */
  "slice-redone",
  /** A message or a request was refused. */
  "refused",
  "mended",
  "checkpoint",
  "tested",
  /** A checkpoint or a stop was requested from the dashboard. */
  "wanted",
] as const;

/** One of `EVENT_KINDS`. */
export type EventKind = (typeof EVENT_KINDS)[number];

/** The worker that an event concerns. */
export interface EventSubject {
  worker?: string | undefined;
  /** Device of a worker that joins. */
  device?: string | undefined;
  backend?: string | undefined;
}

/** One event of a run, as events.jsonl holds it. */
export interface RunEvent extends EventSubject {
  /** ISO 8601, in UTC. */
  at: string;
  kind: EventKind;
  /** Text for people. */
  text: string;
}

/** Logs an event. */
export type LogEvent = (text: string, kind: EventKind, subject?: EventSubject) => void;

/** The coordinator's states of a connected worker; then `left`, or `lost` for one that was lost or dropped. */
export type WorkerState = "waiting" | "loading" | "replaying" | "in" | "leaving" | "left" | "lost";

/** The current state of a worker, as the coordinator knows it. */
export interface WorkerNow {
  name: string;
  device: string;
  backend: string;
  state: WorkerState;
  /** Positions [start, end) in the epoch's order that it is computing. */
  slices: readonly { start: number; end: number }[];
  /** Time since its last message. Undefined for this process, which has no heartbeat. */
  heartbeatAgeMs?: number | undefined;
}

/** The progress of a run. */
export interface Progress {
  /** Number of updates made, out of `steps`. */
  step: number;
  steps: number;
  loss: number;
  samplesPerSecond: number;
  /** Estimated seconds until the last step. */
  secondsLeft: number;
}

/** One update of the live state of a run. */
export type RunUpdate =
  /** The name of the run, and its config.json. */
  | { type: "facts"; name: string; run: RunFile }
  /** The rows of metrics so far; a resumed run has those before its resume point. */
  | { type: "history"; rows: MetricsRow[] }
  | { type: "row"; row: MetricsRow }
  | { type: "progress"; progress: Progress }
  | { type: "team"; workers: WorkerNow[] }
  | { type: "report"; report: Report }
  | { type: "event"; event: RunEvent }
  /** The phase may change several times a second; events.jsonl records only lasting changes. */
  | { type: "phase"; phase: RunPhase };
