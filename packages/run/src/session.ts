/** The one door for a run: it opens a new folder, or that of an earlier run, and holds it for this process. */
import { basename, extname } from "node:path";
import {
  type GivenOptions,
  type MachineOptions,
  type RunConfig,
  resumeConfig,
  withAbsolutePaths,
} from "@lockstep/config";
import type { Lease } from "@lockstep/files";
import type { Weights } from "@lockstep/formats";
import { type Checkpoint, lastCheckpoint } from "./folder/checkpoint.ts";
import { addDevices, derivedOf, type RunFacts } from "./folder/derived.ts";
import type { DeviceGroup } from "./folder/devices.ts";
import type { Resumed } from "./folder/resumed.ts";
import { type Derived, newRunId, parseRunFile, type RunFile, type RunId } from "./folder/run-file.ts";
import {
  createRunFolder,
  expectNoRun,
  holdRunFolder,
  openRunFolder,
  type RunFolder,
  releaseRunFolder,
  writeJson,
} from "./folder/run-folder.ts";
import { readWeightsFile } from "./folder/weights.ts";
import { keepEvents } from "./record/event-log.ts";
import { Recorder } from "./record/recorder.ts";
import type { Schedule } from "./schedule/schedule.ts";
import { failureSignal } from "./stop-reason.ts";
import type { RunPanel } from "./terminal/panel.ts";
import { TrainingRun } from "./training-run.ts";

/** Asks for a run in a folder of its own, or for an earlier one to go on with the changes that a resume allows. */
export type RunRequest =
  | { type: "new"; config: RunConfig; out: string | undefined }
  | { type: "resume"; dir: string; given: GivenOptions };

/** What a run starts from, as far as it is known without its model. */
export interface RunStart {
  config: RunConfig;
  /** Stays the same through resumes. */
  runId: RunId;
  /** What config.json of a resumed run holds beside its options. */
  saved?: { derived: Derived; machine: MachineOptions } | undefined;
  /** The last one of a resumed run; undefined if none was written yet. */
  checkpoint?: Checkpoint | undefined;
  /** The file of --init-from, for a run without a checkpoint. */
  initialWeights?: Weights | undefined;
}

/** A run with a folder, which this process may not hold yet. */
export interface OpenedRun extends RunStart {
  folder: RunFolder;
}

/**
 * Opens a run. The folder of a new one is made last, when nothing can be wrong with its model and its data any more.
 *
 * @param check finds what is wrong with model and data, and returns what it has made of them
 * @param warn hears of checkpoints that cannot be read
 * @throws LockstepError ERR_RUN_EXISTS, ERR_NO_RUN, ERR_RUN_FILE, ERR_NO_CHECKPOINT or what `check` throws
 */
export async function openRun<Model>(
  request: RunRequest,
  check: (start: RunStart) => Promise<Model>,
  warn: (line: string) => void,
): Promise<{ run: OpenedRun; model: Model }> {
  if (request.type === "new") {
    if (request.out !== undefined) expectNoRun(request.out);
    const config = withAbsolutePaths(request.config);
    const start = { config, runId: newRunId(), initialWeights: initialWeights(config) };
    const model = await check(start);
    const label = basename(config.model, extname(config.model));
    return { run: { ...start, folder: createRunFolder(request.out, label, new Date()) }, model };
  }
  const { folder, config: content } = openRunFolder(request.dir);
  const { derived, machine, ...options } = parseRunFile(content, folder.config);
  const checkpoint = lastCheckpoint(folder.checkpoints, warn);
  const config = withAbsolutePaths(resumeConfig(options, request.given));
  const start = {
    config,
    runId: derived.runId ?? newRunId(),
    saved: { derived, machine },
    checkpoint,
    initialWeights: checkpoint === undefined ? initialWeights(config) : undefined,
  };
  return { model: await check(start), run: { ...start, folder } };
}

function initialWeights({ initFrom }: RunConfig): Weights | undefined {
  return initFrom === undefined ? undefined : readWeightsFile(initFrom);
}

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
  begin({ derived }: RunFile, schedule: Schedule, from?: Resumed): TrainingRun {
    const { config, folder } = this.run;
    const { modelName, classes } = derived;
    const { display, live, controls } = this.panel;
    const startedAt = new Date();
    const about = { folder, config, schedule, modelName, classes };
    const recorder = new Recorder({ ...about, display, live, startedAt, resumed: from, lease: this.#lease });
    return new TrainingRun({ schedule, recorder, from, controls });
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
