/** The phase of a run: what it does at this moment, in finer steps than its state. */

/** The names of the phases that a run passes through. */
export const PHASE_NAMES = [
  /** It waits for the workers that it is to begin with, or to go on with. */
  "gathering",
  /** The weights are on their way to the workers. */
  "starting",
  /** It is between two tasks: late joiners and checkpoints are served. */
  "idle",
  "stepping",
  "evaluating",
  /** Too few workers are here, or someone asked for it. */
  "paused",
  /** Nobody holds the weights any more; it gathers workers next. */
  "lost",
  "over",
] as const;

/** One of `PHASE_NAMES`. */
export type PhaseName = (typeof PHASE_NAMES)[number];

/** The phase that a run is in, and since when. */
export interface RunPhase {
  name: PhaseName;
  /** Start of the phase, in ms since 1970. */
  sinceMs: number;
  /** Why it is paused. */
  reason?: string | undefined;
}
