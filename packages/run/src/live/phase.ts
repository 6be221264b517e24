/** The phase of a run: its current activity, in more detail than its state. */

/** The names of the phases that a run passes through. */
export const PHASE_NAMES = [
  /** The run is waiting for workers. */
  "gathering",
  /** The weights are being sent to the workers. */
  "starting",
  /** The run is between two tasks; late joiners and checkpoints are served. */
  "idle",
  "stepping",
  "evaluating",
  /** Too few workers are connected, or a pause was requested. */
  "paused",
  /** No worker holds the weights any more; the run gathers workers next. */
  "lost",
  "over",
] as const;

/** One of `PHASE_NAMES`. */
export type PhaseName = (typeof PHASE_NAMES)[number];

/** The current phase of a run. */
export interface RunPhase {
  name: PhaseName;
  /** Start of the phase, in ms since 1970. */
  sinceMs: number;
  /** Reason of a pause. */
  reason?: string | undefined;
}
