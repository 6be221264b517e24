/** The outputs of a run on this machine. */
import type { Display } from "@lockstep/run";

/** The port of the dashboard. */
export interface DashboardPort {
  /** @default 7080, or the next free one */
  port?: number | undefined;
}

/** Options for the display and the dashboard of a run. */
export interface RunView {
  display: Display;
  /** @default no dashboard */
  dashboard?: DashboardPort | undefined;
  /** Flags to repeat on resume, since the run's folder does not save them. @default none */
  unsavedFlags?: readonly string[];
}
