/** A run while this process holds its folder: what is written there when it begins. */
import { basename } from "node:path";
import type { MachineOptions } from "@lockstep/config";
import type { Lease } from "@lockstep/files";
import { addDevices, derivedOf, type RunFacts } from "./folder/derived.ts";
import type { DeviceGroup } from "./folder/devices.ts";
import type { ResumePoint } from "./folder/resume-point.ts";
import type { RunFile } from "./folder/run-file.ts";
import { holdRunFolder, releaseRunFolder, writeJson } from "./folder/run-folder.ts";
import type { OpenedRun } from "./open-run.ts";
import { keepEvents } from "./record/event-log.ts";
import { RunWriter } from "./record/run-writer.ts";
import type { Schedule } from "./schedule/schedule.ts";
import { failureSignal } from "./stop-reason.ts";
import type { RunPanel } from "./terminal/panel.ts";
import { TrainingRun } from "./training-run.ts";

/** A run whose folder this process holds: nobody else writes there. */
export class RunSession {
  readonly run: OpenedRun;
  readonly panel: RunPanel;
  /** Aborts with the failure ERR_RUN_TAKEN when another process has taken the folder. */
  readonly lost: AbortSignal;
  readonly #lease: Lease;

  private constructor(run: OpenedRun, panel: RunPanel, lease: Lease) {
    this.run = run;
    this.panel = panel;
    this.lost = failureSignal(lease.lost);
    this.#lease = lease;
  }

  /**
   * Takes the run's folder, and keeps the events of the run there from now on.
   *
   * @throws LockstepError ERR_RUN_BUSY if another process writes there
   */
  static async hold(run: OpenedRun, panel: RunPanel): Promise<RunSession> {
    const lease = await holdRunFolder(run.folder, (line) => panel.display.line(line));
    keepEvents(panel.live, run.folder.eventLog, lease);
    return new RunSession(run, panel, lease);
  }

  /** @throws LockstepError ERR_RUN_TAKEN if another process has taken the folder */
  assertHeld(): void {
    this.#lease.expectHeld();
  }

  /** Writes config.json, now that the facts of model and data are known, and tells of it. */
  settle(facts: RunFacts, { schedule, machine, ...computedWith }: Settlement): RunFile {
    const { config, runId, folder } = this.run;
    const file = { ...config, machine, derived: derivedOf(facts, { runId, schedule, ...computedWith }) };
    writeJson(folder.config, file);
    this.panel.live.take({ type: "facts", name: basename(folder.dir), run: file });
    return file;
  }

  /** Adds devices that have joined to config.json. */
  addDevices(file: RunFile, devices: readonly DeviceGroup[]): void {
    if (addDevices(file.derived, devices)) writeJson(this.run.folder.config, file);
  }

  /** Makes the folder ready for what the training loop writes. @param from what a resumed run goes on from */
  begin({ derived }: RunFile, schedule: Schedule, from?: ResumePoint): TrainingRun {
    const { config, folder } = this.run;
    const { modelName, classes } = derived;
    const { display, live, controls } = this.panel;
    const startedAt = new Date();
    const about = { folder, config, schedule, modelName, classes };
    const writer = new RunWriter({ ...about, display, live, startedAt, resumed: from, lease: this.#lease });
    return new TrainingRun({ schedule, writer, from, controls });
  }

  /** Gives the folder back. One in which no run has begun is taken away. */
  close(): void {
    releaseRunFolder(this.run.folder, this.#lease);
  }
}

/** What config.json holds beside the options and the facts of model and data. */
export interface Settlement {
  schedule: Schedule;
  machine: MachineOptions;
  /** Version of Lockstep's arithmetic. */
  arithmetic: number;
  devices: DeviceGroup[];
}
