/** How a run on this machine is shown while it goes. */
import type { Display } from "@lockstep/run";

/** Where pages show the run. */
export interface DashboardPort {
  /** @default 7080, or the next that is free */
  port?: number | undefined;
}

/** Options that say how a run is shown while it goes. */
export interface RunView {
  display: Display;
  /** @default no pages show it */
  dashboard?: DashboardPort | undefined;
  /** Options, as words, that a resume needs once more, since the run's folder does not keep them. @default none */
  unsavedFlags?: readonly string[];
}
