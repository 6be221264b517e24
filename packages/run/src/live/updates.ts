/** The updates that a run sends while it goes. A subscriber that takes all of them, in order, knows the run. */

import type { MetricsRow } from "../folder/metrics.ts";
import type { Report } from "../folder/report.ts";
import type { RunFile } from "../folder/run-file.ts";
import type { RunPhase } from "./phase.ts";

/** The kinds of events that a run tells. */
export const EVENT_KINDS = [
  /** The run waits for the workers that it is to begin with. */
  "waiting",
  "begun",
  /** It goes on from a checkpoint, or from what workers hold. */
  "resumed",
  "paused",
  "goes-on",
  "finished",
  "stopped",
  "failed",
  "joined",
  /** A worker's connection ended; it was made to go; it went by itself. */
  "lost",
  "dropped",
  "left",
  /** A worker that joined a run under way has its weights, and takes slices. */
  "caught-up",
  /** A slice was given to a second worker. */
  "slice-redone",
  /** What someone sent or asked for was refused. */
  "refused",
  "mended",
  "checkpoint",
  "tested",
  /** Someone wants a checkpoint or the end, on the run's page. */
  "wanted",
] as const;

/** One of `EVENT_KINDS`. */
export type EventKind = (typeof EVENT_KINDS)[number];

/** The worker that an event is about. */
export interface EventSubject {
  worker?: string | undefined;
  /** Of a worker that joins. */
  device?: string | undefined;
  backend?: string | undefined;
}

/** One event of a run, as events.jsonl holds it. */
export interface RunEvent extends EventSubject {
  /** ISO 8601, in UTC. */
  at: string;
  kind: EventKind;
  /** The text that is printed. */
  text: string;
}

/** Called with an event when it happens. */
export type LogEvent = (text: string, kind: EventKind, subject?: EventSubject) => void;

/** The first ones are those of the coordinator; then it `left`, or was `lost` or dropped. */
export type WorkerState = "waiting" | "loading" | "replaying" | "in" | "leaving" | "left" | "lost";

/** A worker as the coordinator knows it now. */
export interface WorkerNow {
  name: string;
  device: string;
  backend: string;
  state: WorkerState;
  /** Rows [start, end) of the epoch's order that it computes now. */
  slices: readonly { start: number; end: number }[];
  /** Time since its last message. Undefined for this process, which has no heartbeat. */
  heartbeatAgeMs?: number | undefined;
}

/** The progress of a run. */
export interface Progress {
  /** Number of updates that are done, of `steps`. */
  step: number;
  steps: number;
  loss: number;
  samplesPerSecond: number;
  /** Time until the last step, at this speed. */
  secondsLeft: number;
}

/** One piece of news about a run. */
export type RunUpdate =
  /** Which run it is, and all that follows from its configuration. */
  | { type: "facts"; name: string; run: RunFile }
  /** The rows that there are so far: none, or those that a resumed run goes on from. */
  | { type: "history"; rows: MetricsRow[] }
  | { type: "row"; row: MetricsRow }
  | { type: "progress"; progress: Progress }
  | { type: "team"; workers: WorkerNow[] }
  | { type: "report"; report: Report }
  | { type: "event"; event: RunEvent }
  /** It alternates several times a second: events.jsonl keeps only the changes that last. */
  | { type: "phase"; phase: RunPhase };
