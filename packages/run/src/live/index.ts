/** The live state of a run. It also runs in browsers: nothing here uses Node. */
export { LiveRun } from "./live-run.ts";
export { PHASE_NAMES, type PhaseName, type RunPhase } from "./phase.ts";
export {
  hasLeft,
  isOver,
  type Ledger,
  type LiveWorker,
  LOCAL_WORKER,
  RUN_OVER,
  type RunSnapshot,
  type RunState,
  sharesOf,
} from "./run-snapshot.ts";
export type { StepHistory } from "./step-history.ts";
export { type Straggler, stragglerOf, WAIT, type WorkerParts, workerParts } from "./straggler.ts";
export {
  EVENT_KINDS,
  type EventKind,
  type EventSubject,
  type LogEvent,
  type RunEvent,
  type RunUpdate,
  type WorkerNow,
  type WorkerState,
} from "./updates.ts";
