/** Options of a team of workers. */
import type { LogEvent } from "@lockstep/run/live";
import type { Balance } from "../membership/balance.ts";
import type { Limits } from "../membership/decide.ts";
import type { PhaseListener } from "./phase.ts";

/** The limits of a team, and the callbacks that report its events. */
export interface TeamOptions extends Limits {
  /** Number of workers that the run waits for before it begins. */
  workers: number;
  balance: Balance;
  /** Identifies the run across restarts. */
  runId: string;
  /** Bytes of updates that are buffered for workers that join late. */
  maxLogBytes: number;
  /** Quorum: with fewer workers than this, the run pauses. */
  minWorkers: number;
  /**
   * Queued bytes, beyond the update of one step, above which a worker that does not read is dropped.
   *
   * @default 256 MiB
   */
  maxWaitingBytes?: number;
  /** Logs events of workers, each as a line. */
  log: LogEvent;
  /** Is called when the run enters another phase. @default does nothing */
  onPhase?: PhaseListener;
  /** A monotonic clock, in milliseconds. */
  nowMs: () => number;
}
