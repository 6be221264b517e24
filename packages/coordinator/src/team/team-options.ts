/** Options of a team of workers. */
import type { LogEvent } from "@lockstep/run/live";
import type { Balance } from "../membership/balance.ts";
import type { Limits } from "../membership/decide.ts";
import type { PhaseListener } from "./phase.ts";

/** The limits of a team, and who hears of it. */
export interface TeamOptions extends Limits {
  /** Number of workers that the run waits for before it begins. */
  workers: number;
  balance: Balance;
  /** Names the run, through restarts. */
  runId: string;
  /** Bytes of updates that are kept for a worker that joins late. */
  maxLogBytes: number;
  /** With fewer workers than this the run pauses. */
  minWorkers: number;
  /** A worker that lets more than this, and the update of a step, wait for it is dropped. @default 256 MiB */
  maxWaitingBytes?: number;
  /** Told in whole lines what happens to workers. */
  log: LogEvent;
  /** Told when the run enters another phase. @default nobody is told */
  onPhase?: PhaseListener;
  /** A monotonic clock, in milliseconds. */
  nowMs: () => number;
}
