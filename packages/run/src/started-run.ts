/** Starts a run, in one process or with workers: prepares its folder for the training loop. */
import { basename } from "node:path";
import type { MachineOptions } from "@lockstep/config";
import type { Lease } from "@lockstep/files/lease";
import type { DeviceGroup } from "./devices.ts";
import { addDevices, derivedOf, type RunFacts } from "./folder/derived.ts";
import type { ResumePoint } from "./folder/resume-point.ts";
import type { Derived, RunFile } from "./folder/run-file.ts";
import { writeJson } from "./folder/run-folder.ts";
import type { OpenedRun } from "./open-run.ts";
import { RunWriter } from "./record/run-writer.ts";
import type { Schedule } from "./schedule/schedule.ts";
import { printHeader } from "./terminal/header.ts";
import { type ModuleSettings, moduleSettingsLines } from "./terminal/module-settings.ts";
import type { RunPanel } from "./terminal/panel.ts";
import { TrainingRun } from "./training-run.ts";

/** Inputs of a run besides its options, known once the model, the data and the workers are. */
export interface StartOptions {
  facts: RunFacts;
  schedule: Schedule;
  machine: MachineOptions;
  /** Version of Lockstep's arithmetic. */
  arithmetic: number;
  devices: DeviceGroup[];
  /** The point from which a resumed run continues. @default the start of the run */
  resumePoint?: ResumePoint | undefined;
  /** Text of the event of a resumed run. @default the run is new */
  resumeMessage?: string | undefined;
}

/** A run, and the lease of its folder. */
export interface LeasedRun {
  run: OpenedRun;
  panel: RunPanel;
  lease: Lease;
}

/** A run that has started: config.json is written, and its pages show that it has started or resumed. */
export class StartedRun {
  readonly #leased: LeasedRun;
  readonly #start: StartOptions;
  readonly #file: RunFile;

  constructor(leased: LeasedRun, start: StartOptions) {
    const { run, panel } = leased;
    const { facts, machine, resumeMessage } = start;
    this.#leased = leased;
    this.#start = start;
    this.#file = { ...run.config, machine, derived: derivedOf(facts, { ...start, runId: run.runId }) };
    writeJson(run.folder.config, this.#file);
    panel.live.apply({ type: "facts", name: basename(run.folder.dir), run: this.#file });
    panel.live.event(resumeMessage ?? "the run starts", resumeMessage === undefined ? "begun" : "resumed");
  }

  /** The facts that follow from the run's options, its model and its data. */
  get derived(): Readonly<Derived> {
    return this.#file.derived;
  }

  /** Adds devices that have joined to config.json. */
  addDevices(devices: readonly DeviceGroup[]): void {
    if (addDevices(this.#file.derived, devices)) writeJson(this.#leased.run.folder.config, this.#file);
  }

  /** Prints the header, and for a new run how it treats the weights and compile options of the model's module. */
  printHeader(moduleSettings: ModuleSettings): void {
    const { run, panel } = this.#leased;
    const { config, folder, saved } = run;
    const { resumePoint, resumeMessage } = this.#start;
    const isNew = saved === undefined && resumeMessage === undefined;
    const doneSteps = isNew ? undefined : resumePoint?.step;
    printHeader(panel.display, { config, derived: this.derived, folder, moduleSettings, doneSteps });
    if (isNew) for (const line of moduleSettingsLines(config, moduleSettings)) panel.display.line(line);
  }

  /** Prepares the folder for writing, and returns the run for the training loop. */
  openTraining(): TrainingRun {
    const { run, panel, lease } = this.#leased;
    const { schedule, resumePoint } = this.#start;
    const { modelName, classes } = this.derived;
    const writer = new RunWriter({
      folder: run.folder,
      config: run.config,
      schedule,
      modelName,
      classes,
      display: panel.display,
      live: panel.live,
      startedAt: new Date(),
      resumePoint,
      lease,
    });
    return new TrainingRun({ schedule, writer, resumePoint, controls: panel.controls });
  }
}
