/** A team for tests that only pretends to compute, and whole runs with it. */

import { type ExplicitOptions, makeConfig } from "@lockstep/config";
import { defined } from "@lockstep/testing";
import { latestCheckpoint } from "../folder/checkpoint.ts";
import type { ResumePoint } from "../folder/resume-point.ts";
import type { RunFolder } from "../folder/run-folder.ts";
import type { Controls } from "../live/controls.ts";
import type { LiveRun } from "../live/live-run.ts";
import { trainLoop } from "../loop.ts";
import { RunWriter } from "../record/run-writer.ts";
import { makeSchedule, type Schedule } from "../schedule/schedule.ts";
import { StopReason } from "../stop-reason.ts";
import type { StateCapture, StepTotals, Team } from "../team.ts";
import { lineDisplay } from "../terminal/display.ts";
import { TrainingRun } from "../training-run.ts";

/** With batches of 4, an epoch is three steps of 4, 4 and 2 samples. */
const SIZES = { trainSamples: 10, validationSamples: 4, testSamples: 4 };

/** A team whose weights count the updates. A sample has the loss `lossAt(step)`; one of each batch is correct. */
export class CountingTeam implements Team {
  /** Calls that the team received. */
  readonly done: string[] = [];
  updates: number;
  weights = 1;
  ms: StepTotals["ms"] = { step: 1 };
  lossAt: (step: number) => number = (step) => 1 / (step + 1);
  evaluationLoss = 0.5;
  /** Number of correct samples, of 4, in the validation of each epoch. */
  readonly validations = [1, 3, 2];
  onStep: (step: number) => void | Promise<void> = () => {};
  /** Called during the evaluation of the test split. */
  onTest: () => Promise<void> = async () => {};

  constructor(updates = 0) {
    this.updates = updates;
  }

  async step({ step, start, end }: Parameters<Team["step"]>[0], beforeCommit: Parameters<Team["step"]>[1]) {
    if (step !== this.updates) throw new Error(`Step ${step} was asked for after ${this.updates} updates.`);
    this.done.push(`step ${step}`);
    await turn(); // a real step is asynchronous too
    const samples = end - start;
    beforeCommit({ samples, lossSum: this.lossAt(step) * samples, correct: 1, ms: this.ms });
    this.updates++;
    await this.onStep(step);
  }

  async evaluate({ split, samples }: Parameters<Team["evaluate"]>[0], signal: AbortSignal) {
    this.done.push(split);
    if (signal.aborted) return undefined;
    if (split === "test") await this.onTest();
    const right = split === "validation" ? defined(this.validations[Math.ceil(this.updates / 3) - 1]) : samples;
    const confusion = [
      [right, samples - right],
      [0, 0],
    ];
    return { samples, lossSum: this.evaluationLoss * samples, confusion };
  }

  pause(reason: string): void {
    this.done.push(`pause: ${reason}`);
  }

  resume(): void {
    this.done.push("resume");
  }

  captureState(): StateCapture {
    const values = () => new Float32Array(this.weights).fill(this.updates);
    const state = [{ name: "w", shape: [this.weights], weight: values(), velocity: values() }];
    return { read: async () => state };
  }
}

/** Waits for a turn of the event loop. */
export const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Options of a run of `CountingTeam`. It draws no charts, since that would take longer than the run. */
export interface CountingRun {
  folder: RunFolder;
  options: ExplicitOptions;
  team: CountingTeam;
  /** The point from which the run continues. */
  resumePoint?: ResumePoint | undefined;
  /** The step after which the run is asked to stop. */
  stopAfter?: number | undefined;
  lines?: string[];
  live?: LiveRun | undefined;
  controls?: Controls | undefined;
}

/** Returns the schedule of a run with these options. */
export function countingSchedule(options: ExplicitOptions): Schedule {
  return makeSchedule(configOf(options), SIZES);
}

/** Returns a run, with its writer. */
export function countingRun({
  folder,
  options,
  team,
  resumePoint,
  stopAfter,
  lines = [],
  live,
  controls,
}: CountingRun) {
  const schedule = countingSchedule(options);
  const stop = new AbortController();
  const { onStep } = team;
  team.onStep = (step) => {
    if (step === stopAfter) stop.abort(new StopReason({ type: "signal", signal: "SIGINT" }));
    return onStep(step);
  };
  const display = lineDisplay(
    (text) => lines.push(text),
    () => 0,
  );
  const writer = new RunWriter({
    folder,
    config: configOf(options),
    schedule,
    display,
    resumePoint,
    live,
    modelName: "M",
    classes: ["a", "b"],
    startedAt: new Date(0),
    drawCharts: async () => void team.done.push("charts"),
  });
  const signal = AbortSignal.any([stop.signal, ...(controls === undefined ? [] : [controls.signal])]);
  const run = new TrainingRun({ schedule, writer, resumePoint, controls });
  return { writer, outcome: () => trainLoop(run, team, signal) };
}

/** Continues a run from its last checkpoint. */
export function resumedCountingRun(run: Omit<CountingRun, "resumePoint" | "team"> & { team?: CountingTeam }) {
  const resumePoint = latestCheckpoint(run.folder.checkpoints, () => {});
  const team = run.team ?? new CountingTeam(defined(resumePoint.tensors[0]).weight[0]);
  return countingRun({ ...run, team, resumePoint });
}

function configOf(options: ExplicitOptions) {
  return makeConfig({ batchSize: 4, numEpochs: 2, ...options });
}
