/** Writes down what a run does, as it does it: rows, lines, events, checkpoints; at the end weights and charts. */
import { join } from "node:path";
import { type Checkpoint, type CheckpointProgress, checkpointBefore, saveCheckpoint } from "./checkpoint.ts";
import type { ParameterState, StepTotals } from "./conduct.ts";
import type { RunConfig } from "./config.ts";
import type { Display } from "./display.ts";
import { correctOf, type Evaluation } from "./evaluation.ts";
import { epochLine, testLine } from "./lines.ts";
import { appendMetrics, type EpochRow, type MetricsRow, rewriteMetrics } from "./metrics.ts";
import { makeReport, type Report, writeReport } from "./report.ts";
import { type RunFolder, removeResults } from "./run-folder.ts";
import { writeSafetensors } from "./safetensors.ts";
import type { EvaluateTask, Schedule, StepTask, Task } from "./schedule.ts";
import { type AppendEvents, startEvents } from "./tensorboard.ts";

export interface RecorderOptions {
  folder: RunFolder;
  config: RunConfig;
  schedule: Schedule;
  modelName: string;
  /** Names of the labels. */
  classes: readonly string[];
  display: Display;
  startedAt: Date;
  /** What a resumed run goes on from. */
  resumed?: Checkpoint | undefined;
  nowMs?: () => number;
}

/** Steps over which images/s are measured. */
const SPEED_STEPS = 20;

export class Recorder {
  /** Updates made when the last checkpoint was saved; undefined if there is none. */
  checkpointStep: number | undefined;
  /** Of the test, once it is done. */
  report: Report | undefined;
  readonly #options: RecorderOptions;
  readonly #events: AppendEvents;
  readonly #nowMs: () => number;
  /** Sums over the samples of the epoch so far. */
  #progress: CheckpointProgress;
  #validation: Evaluation | undefined;
  /** When recent steps ended, and how many samples had been seen by then. */
  #recent: { atMs: number; samples: number }[] = [];

  constructor(options: RecorderOptions) {
    const { folder, schedule, startedAt, resumed } = options;
    this.#options = options;
    this.#nowMs = options.nowMs ?? (() => performance.now());
    this.checkpointStep = resumed?.step;
    if (resumed !== undefined && resumed.step < schedule.steps) removeResults(folder, options.modelName);
    this.#progress = resumed?.progress ?? { lossSum: 0, correct: 0, samples: 0, endedSteps: 0 };
    const rows =
      resumed === undefined ? [] : rewriteMetrics(folder.metrics, (row) => isBefore(row, resumed.step, schedule));
    this.#events = startEvents(folder.events, startedAt, rows);
  }

  step({ step, epoch, learningRate }: StepTask, { lossSum, ...totals }: StepTotals): void {
    const { samples, correct } = totals;
    const loss = lossSum / samples;
    this.#write({ type: "step", epoch: epoch + 1, step, loss, lr: learningRate, ...totals });
    this.#progress.lossSum += lossSum;
    this.#progress.correct += correct;
    this.#progress.samples += samples;
    this.#show(step + 1, loss, samples);
  }

  evaluated({ part, step }: EvaluateTask, evaluation: Evaluation): void {
    this.#recent = [];
    if (part === "validation") {
      this.#validation = evaluation;
      return;
    }
    const { folder, classes, display } = this.#options;
    this.report = makeReport(evaluation, classes);
    const { loss, accuracy, samples } = this.report;
    this.#write({ type: "test", step, loss, accuracy, samples });
    writeReport(folder.report, this.report);
    display.line(testLine(this.report));
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
      if (row.evalAccuracy > (this.#progress.best?.accuracy ?? -1))
        this.#progress.best = { step, accuracy: row.evalAccuracy };
    }
    this.#write(row);
    this.#options.display.line(epochLine(row));
    this.#progress.endedSteps = step;
    const whole = step % this.#options.schedule.stepsPerEpoch === 0;
    if (whole) Object.assign(this.#progress, { lossSum: 0, correct: 0, samples: 0 });
  }

  /** @param step updates made; `epoch` is that of the last one, from 0 */
  checkpoint(epoch: number, step: number, tensors: ParameterState[]): void {
    const { folder, config } = this.#options;
    const checkpoint = { step, epoch: epoch + 1, seed: config.seed, progress: this.#progress, tensors };
    saveCheckpoint(folder.checkpoints, checkpoint, { keep: config.keep });
    this.checkpointStep = step;
    this.#recent = [];
  }

  /**
   * The newest checkpoint whose weights are known to give a finite loss, when step `failedStep` was the first whose
   * loss is not finite: weights after s updates are what step s computes with.
   */
  lastGoodCheckpoint(failedStep: number): string | undefined {
    return checkpointBefore(this.#options.folder.checkpoints, failedStep);
  }

  /** Writes the final weights and draws the charts. */
  async finish(tensors: readonly ParameterState[]): Promise<void> {
    const { folder, modelName, config, schedule, display } = this.#options;
    display.close();
    const weights = tensors.map(({ name, shape, weight }) => ({ name, shape, data: weight }));
    writeSafetensors(folder.weights(modelName), weights, {
      model: modelName,
      step: `${schedule.steps}`,
      seed: `${config.seed}`,
    });
    const { drawCharts } = await import("./charts.ts");
    await drawCharts(folder, this.report);
    display.line(`weights: ${folder.weights(modelName)}`);
    display.line(`charts:  ${join(folder.charts, "*.png")}`);
  }

  #write(row: MetricsRow): void {
    appendMetrics(this.#options.folder.metrics, row);
    this.#events(row);
  }

  #show(stepsDone: number, loss: number, samples: number): void {
    const { schedule, display } = this.#options;
    const seen = (this.#recent.at(-1)?.samples ?? 0) + samples;
    this.#recent = [...this.#recent, { atMs: this.#nowMs(), samples: seen }].slice(-SPEED_STEPS);
    const [first, last] = [this.#recent[0]!, this.#recent.at(-1)!];
    if (this.#recent.length < 2) return;
    const seconds = (last.atMs - first.atMs) / 1000;
    const secondsLeft = ((schedule.steps - stepsDone) * seconds) / (this.#recent.length - 1);
    display.progress({
      step: stepsDone,
      steps: schedule.steps,
      loss,
      samplesPerSecond: (last.samples - first.samples) / seconds,
      secondsLeft,
    });
  }
}

/** Whether a row stands when a run goes on from `doneSteps` updates: what comes later is done, and written, again. */
function isBefore(row: MetricsRow, doneSteps: number, { steps, stepsPerEpoch }: Schedule): boolean {
  if (row.type === "step") return row.step < doneSteps;
  if (row.type === "test") return false;
  // The row of an epoch that --max-steps had cut short is written anew if that epoch goes on now.
  return row.step <= doneSteps && (row.step % stepsPerEpoch === 0 || doneSteps === steps);
}
