/** A run while this process holds the lease of its folder. */
import type { Lease } from "@lockstep/files/lease";
import { holdRunFolder, releaseRunFolder } from "./folder/run-folder.ts";
import { watchPhases } from "./live/watch-phases.ts";
import type { OpenedRun } from "./open-run.ts";
import { recordEvents } from "./record/event-log.ts";
import { StartedRun, type StartOptions } from "./started-run.ts";
import { failureSignal } from "./stop-reason.ts";
import type { RunPanel } from "./terminal/panel.ts";

/** A run whose folder only this process writes to. */
export class RunSession {
  readonly run: OpenedRun;
  readonly panel: RunPanel;
  /** Aborts with the failure ERR_RUN_TAKEN when another process takes the folder. */
  readonly leaseSignal: AbortSignal;
  readonly #lease: Lease;

  private constructor(run: OpenedRun, panel: RunPanel, lease: Lease) {
    this.run = run;
    this.panel = panel;
    this.leaseSignal = failureSignal(lease.lost);
    this.#lease = lease;
  }

  /**
   * Acquires the lease of the run's folder, and records the run's events there from now on.
   *
   * @throws LockstepError ERR_RUN_BUSY if another process writes there
   */
  static async hold(run: OpenedRun, panel: RunPanel): Promise<RunSession> {
    const lease = await holdRunFolder(run.folder, (line) => panel.display.line(line));
    recordEvents(panel.live, run.folder.eventLog, lease);
    recordPhases(panel);
    return new RunSession(run, panel, lease);
  }

  /** @throws LockstepError ERR_RUN_TAKEN if another process has taken the folder */
  assertHeld(): void {
    this.#lease.assertHeld();
  }

  /** Starts or resumes the run: writes config.json, and informs the pages. */
  start(start: StartOptions): StartedRun {
    return new StartedRun({ run: this.run, panel: this.panel, lease: this.#lease }, start);
  }

  /** Releases the lease. Removes a new folder in which no run has started. */
  close(): void {
    releaseRunFolder(this.run.folder, this.#lease);
  }
}

/** Prints the phases of the run as objects of the JSON format. */
function recordPhases({ display, live }: RunPanel): void {
  watchPhases(live, ({ text, name, reason }) => display.record?.(text, { type: "phase", phase: name, reason }));
}
