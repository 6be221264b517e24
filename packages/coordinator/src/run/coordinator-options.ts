/** Options of a coordinator. */
import type { MachineOptions } from "@lockstep/config";
import type { RunPanel } from "@lockstep/run";
import type { ListenOptions } from "@lockstep/transport";
import type { Balance } from "../membership/balance.ts";
import type { Limits } from "../membership/decide.ts";
import type { DistributedRun } from "./open-run.ts";

/** A run, and how its coordinator listens, displays it and ends. */
export interface CoordinatorOptions extends Limits {
  distributed: DistributedRun;
  panel: RunPanel;
  /** Number of workers that the run waits for before it begins. */
  workers: number;
  /** Quorum: with fewer workers than this, the run pauses. */
  minWorkers: number;
  /** The address on which it listens, and the limits on who may join. */
  listen: ListenOptions;
  balance: Balance;
  /** Version of Lockstep. */
  version: string;
  /**
   * Stored in config.json, so that a resume on one machine uses the same options.
   *
   * @default what is stored there already
   */
  machine?: MachineOptions | undefined;
  /**
   * Aborts with a failure when the workers that this process started cannot begin, or none of them is left. The refusal
   * of a single worker is then not logged. @default workers are started elsewhere
   */
  localWorkers?: AbortSignal | undefined;
  /** Whether it keeps serving the dashboard after the run is over, until it is interrupted. @default false */
  keepOpen?: boolean | undefined;
  /** Is called once workers can connect. */
  onListening: (port: number) => void;
}
