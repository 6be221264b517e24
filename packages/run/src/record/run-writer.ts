/**
 * Writes the results of a run while it runs: rows of metrics, terminal lines, events and checkpoints; at the end the
 * final weights and the charts.
 */

import type { RunConfig } from "@lockstep/config";
import { at, counted, LockstepError } from "@lockstep/errors";
import type { Lease } from "@lockstep/files/lease";
import { writeSafetensors } from "@lockstep/formats";
import { correctOf, type Evaluation } from "../evaluation.ts";
import { type Checkpoint, checkpointBefore, hasCheckpoint, saveCheckpoint } from "../folder/checkpoint.ts";
import { appendMetrics, type EpochRow, type MetricsRow, rewriteMetrics, type TestRow } from "../folder/metrics.ts";
import { advance, type CheckpointProgress, START, survivesResume } from "../folder/progress.ts";
import { makeReport, type Report, writeReport } from "../folder/report.ts";
import type { ResumePoint } from "../folder/resume-point.ts";
import { type RunFolder, removeResults, removeTemporaries } from "../folder/run-folder.ts";
import type { LiveRun } from "../live/live-run.ts";
import type { EvaluateTask, Schedule, StepTask, Task } from "../schedule/schedule.ts";
import type { ParameterState, StateCapture, StepTotals } from "../team.ts";
import type { Display } from "../terminal/display.ts";
import { epochLine, resultLines, testLine } from "../terminal/lines.ts";
import { FlatLoss, flatLossLine } from "./flat-loss.ts";
import { type AppendEvents, startEvents } from "./tensorboard.ts";
import { writeTrace } from "./trace.ts";

/** Settings of a `RunWriter`. */
export interface RunWriterOptions {
  folder: RunFolder;
  config: RunConfig;
  schedule: Schedule;
  modelName: string;
  /** Names of the labels. */
  classes: readonly string[];
  display: Display;
  /** Receives an update for everything that is written. @default none */
  live?: LiveRun | undefined;
  startedAt: Date;
  /** The point from which a resumed run continues. */
  resumePoint?: ResumePoint | undefined;
  nowMs?: () => number;
  /** Draws the charts at the end of the run. @default `drawCharts` of ./charts */
  drawCharts?: (folder: RunFolder, report: Report | undefined) => Promise<void>;
  /** Lease of the folder. Nothing is written after another process has acquired it. @default no lease is checked */
  lease?: Pick<Lease, "assertHeld"> | undefined;
}

/** Number of steps over which images/s is averaged. */
const SPEED_STEPS = 20;

/** Writes the results of a run to its folder, and shows them on its display. */
export class RunWriter {
  /** Number of updates at the last checkpoint, which may still be in progress; undefined if there is none. */
  checkpointStep: number | undefined;
  /** Whether a checkpoint is due because its source disconnected before the last one arrived. */
  isCheckpointDue = false;
  /** Report of the test; undefined until the test has run. */
  report: Report | undefined;
  readonly #options: RunWriterOptions;
  readonly #events: AppendEvents;
  readonly #nowMs: () => number;
  #progress: CheckpointProgress;
  /** Resolves when no checkpoint is in progress; never rejects. */
  #writing: Promise<void> = Promise.resolve();
  /** The error of a failed checkpoint, until it is thrown. */
  #failure: unknown;
  #validation: Evaluation | undefined;
  readonly #flatLoss = new FlatLoss();
  /** The end times of the last steps, and the total number of samples at each. */
  #recent: { atMs: number; samples: number }[] = [];

  constructor(options: RunWriterOptions) {
    const { folder, schedule, startedAt, resumePoint } = options;
    this.#options = options;
    this.#nowMs = options.nowMs ?? (() => performance.now());
    options.lease?.assertHeld();
    if (resumePoint !== undefined) removeTemporaries(folder);
    if (resumePoint !== undefined && hasCheckpoint(folder.checkpoints, resumePoint.step))
      this.checkpointStep = resumePoint.step;
    if (resumePoint !== undefined && resumePoint.step < schedule.steps) removeResults(folder, options.modelName);
    this.#progress = resumePoint?.progress ?? START;
    const at = resumePoint && { step: resumePoint.step, endedSteps: resumePoint.progress.endedSteps };
    const rows = at === undefined ? [] : rewriteMetrics(folder.metrics, (row) => survivesResume(row, at, schedule));
    for (const row of rows) if (row.type === "step") this.#flatLoss.add(row.step, row.loss);
    this.#events = startEvents(folder.events, startedAt, rows);
    options.live?.apply({ type: "history", rows });
  }

  step({ step, epoch, learningRate }: StepTask, { lossSum, ...totals }: StepTotals): void {
    const { samples } = totals;
    const loss = lossSum / samples;
    this.#write({ type: "step", epoch: epoch + 1, step, loss, lr: learningRate, ...totals });
    const flat = this.#flatLoss.add(step, loss);
    if (flat !== undefined) this.#options.display.line(flatLossLine(this.#options.config, flat));
    this.#show(step + 1, loss, samples);
  }

  evaluated({ split, step }: EvaluateTask, evaluation: Evaluation): void {
    this.#recent = [];
    if (split === "validation") {
      this.#validation = evaluation;
      return;
    }
    const { folder, classes, display, live } = this.#options;
    this.report = makeReport(evaluation, classes);
    const { loss, accuracy, samples } = this.report;
    const row: TestRow = { type: "test", step, loss, accuracy, samples };
    this.#write(row);
    writeReport(folder.report, this.report);
    live?.apply({ type: "report", report: this.report });
    live?.event(testLine(row), "tested");
    display.line(testLine(row), row);
  }

  epochEnd({ epoch, step }: Extract<Task, { type: "epoch-end" }>): void {
    const { lossSum, correct, samples } = this.#progress;
    const row: EpochRow = {
      type: "epoch",
      epoch: epoch + 1,
      step,
      trainLoss: lossSum / samples,
      trainAccuracy: correct / samples,
      samples,
    };
    if (this.#validation !== undefined) {
      row.evalLoss = this.#validation.lossSum / this.#validation.samples;
      row.evalAccuracy = correctOf(this.#validation) / this.#validation.samples;
      this.#validation = undefined;
    }
    this.#write(row);
    this.#options.display.line(epochLine(row), row);
  }

  /**
   * Starts to save a checkpoint of the current state. Checkpoints are written one after another, in the background. If
   * one fails, the next call that writes throws its error.
   *
   * @param epoch the epoch of the last update, counted from 0
   * @param step the number of updates made
   */
  checkpoint(epoch: number, step: number, state: StateCapture): void {
    this.#assertNoFailure();
    const head = { step, epoch: epoch + 1, seed: this.#options.config.seed, progress: this.#progress };
    this.checkpointStep = step;
    this.isCheckpointDue = false;
    this.#writing = this.#save(head, state, this.#writing);
  }

  /** Waits until every checkpoint is on disk. Rejects with the error of a checkpoint that could not be written. */
  async written(): Promise<void> {
    await this.#writing;
    this.#assertNoFailure();
  }

  /**
   * Waits for the checkpoint in progress after `reason` has ended the run. Prints another error of its own as a line.
   */
  async abandon(reason: unknown): Promise<void> {
    await this.written().catch((error: Error) => {
      if (error !== reason) this.#options.display.line(error.message, { level: "warn" });
    });
  }

  /**
   * Returns the newest checkpoint whose weights are known to give a finite loss. Step s computes with the weights after
   * s updates, so a checkpoint of fewer than `failedStep` updates qualifies. No checkpoint may be in progress.
   *
   * @param failedStep the first step whose loss is not finite
   */
  lastGoodCheckpoint(failedStep: number): string | undefined {
    return checkpointBefore(this.#options.folder.checkpoints, failedStep);
  }

  /** Writes the final weights and draws the charts. */
  async finish(tensors: readonly ParameterState[]): Promise<void> {
    const { folder, modelName, config, schedule, display } = this.#options;
    display.close();
    this.#options.lease?.assertHeld();
    const weights = tensors.map(({ name, shape, weight }) => ({ name, shape, data: weight }));
    await writeSafetensors(folder.weights(modelName), weights, {
      model: modelName,
      step: `${schedule.steps}`,
      seed: `${config.seed}`,
    });
    const drawCharts = this.#options.drawCharts ?? (await import("./charts/charts.ts")).drawCharts;
    await drawCharts(folder, this.report);
    writeTrace(folder.trace, folder);
    for (const line of resultLines(folder, modelName)) display.line(line);
  }

  #write(row: MetricsRow): void {
    this.#assertNoFailure();
    this.#options.lease?.assertHeld();
    appendMetrics(this.#options.folder.metrics, row);
    this.#events(row);
    this.#options.live?.apply({ type: "row", row });
    this.#progress = advance(this.#progress, row, this.#options.schedule);
  }

  async #save(head: Omit<Checkpoint, "tensors">, state: StateCapture, before: Promise<void>) {
    const { folder, config, live, lease } = this.#options;
    try {
      const [tensors] = await Promise.all([state.read(), before]);
      lease?.assertHeld();
      await saveCheckpoint(folder.checkpoints, { ...head, tensors }, { keep: config.keep, lease });
      live?.event(`checkpoint after ${counted(head.step, "step")}`, "checkpoint");
    } catch (error) {
      if (error instanceof LockstepError && error.code === "ERR_STATE_LOST") this.isCheckpointDue = true;
      else this.#failure ??= error;
    }
  }

  #assertNoFailure(): void {
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure;
  }

  #show(stepsDone: number, loss: number, samples: number): void {
    const { schedule, display, live } = this.#options;
    const seen = (this.#recent.at(-1)?.samples ?? 0) + samples;
    this.#recent = [...this.#recent, { atMs: this.#nowMs(), samples: seen }].slice(-SPEED_STEPS);
    const [first, last] = [at(this.#recent, 0), at(this.#recent, -1)];
    if (this.#recent.length < 2) return;
    const seconds = (last.atMs - first.atMs) / 1000;
    const secondsLeft = ((schedule.steps - stepsDone) * seconds) / (this.#recent.length - 1);
    const samplesPerSecond = (last.samples - first.samples) / seconds;
    const progress = { step: stepsDone, steps: schedule.steps, loss, samplesPerSecond, secondsLeft };
    display.progress(progress);
    live?.apply({ type: "progress", progress });
  }
}
