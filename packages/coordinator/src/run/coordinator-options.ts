/** Options of a coordinator. */
import type { MachineOptions } from "@lockstep/config";
import type { RunPanel } from "@lockstep/run";
import type { ListenOptions } from "@lockstep/transport";
import type { Balance } from "../membership/balance.ts";
import type { Limits } from "../membership/decide.ts";
import type { DistributedRun } from "./open-run.ts";

/** A run, with how its coordinator listens, is shown, and ends. */
export interface CoordinatorOptions extends Limits {
  distributed: DistributedRun;
  panel: RunPanel;
  /** How many workers the run waits for before it begins. */
  workers: number;
  /** With fewer workers than this the run pauses. */
  minWorkers: number;
  /** Where it listens, and who may join. */
  listen: ListenOptions;
  balance: Balance;
  /** Version of Lockstep. */
  version: string;
  /** Kept in config.json, so that a resume on one machine goes on in the same way. @default what is kept there already */
  machine?: MachineOptions | undefined;
  /**
   * Aborts with a failure when the workers that this process has started cannot begin, or none of them is left; the
   * refusal of one is then not told apart. @default workers come from elsewhere
   */
  localWorkers?: AbortSignal | undefined;
  /** Whether it goes on answering when the run is over, until it is interrupted. @default no */
  keepOpen?: boolean | undefined;
  /** Called once workers can connect. */
  onListening: (port: number) => void;
}
