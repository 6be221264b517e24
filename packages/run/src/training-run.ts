/** The run as the training loop sees it: its progress, its records and its checkpoints. */

import type { Evaluation } from "./evaluation.ts";
import type { ResumePoint } from "./folder/resume-point.ts";
import type { Controls } from "./live/controls.ts";
import { assertFiniteLoss, explainLoss, LossNotFinite } from "./loss-not-finite.ts";
import type { RunWriter } from "./record/run-writer.ts";
import type { EvaluateTask, Schedule, StepTask, Task } from "./schedule/schedule.ts";
import type { StepTotals, Team } from "./team.ts";

/** Settings of a `TrainingRun`. */
export interface TrainingRunOptions {
  schedule: Schedule;
  writer: RunWriter;
  /** The point from which a resumed run continues. @default the start of the run */
  resumePoint?: ResumePoint | undefined;
  /** Commands from the dashboard. @default none */
  controls?: Controls | undefined;
}

/** Counts the updates of a run, and writes its records and its checkpoints. */
export class TrainingRun {
  readonly writer: RunWriter;
  readonly #schedule: Schedule;
  readonly #controls: Controls | undefined;
  readonly #endedSteps: number;
  #doneSteps: number;

  constructor({ schedule, writer, resumePoint, controls }: TrainingRunOptions) {
    this.writer = writer;
    this.#schedule = schedule;
    this.#controls = controls;
    this.#doneSteps = resumePoint?.step ?? 0;
    this.#endedSteps = resumePoint?.progress.endedSteps ?? 0;
  }

  /** True once an update has been made. */
  get hasStarted(): boolean {
    return this.#doneSteps > 0;
  }

  /** Returns the tasks that remained when the run was started or resumed. */
  tasks(): Generator<Task, void> {
    return this.#schedule.tasksFrom(this.#doneSteps, this.#endedSteps);
  }

  /** Saves a checkpoint if one was requested, and waits while the run is paused. */
  async attendControls(team: Team, signal: AbortSignal): Promise<void> {
    await this.#controls?.attend(team, () => this.checkpointOnce(team), signal);
  }

  /** Records a step before its update is applied. @throws LossNotFinite if it must not be applied */
  recordStep(task: StepTask, totals: StepTotals): void {
    assertFiniteLoss(totals, task);
    this.writer.step(task, totals);
  }

  /** Counts the update of a step. Repeats a checkpoint whose state was lost with its worker. */
  async stepMade({ step }: StepTask, team: Team): Promise<void> {
    this.#doneSteps = step + 1;
    if (this.writer.isCheckpointDue) await this.checkpoint(team);
  }

  /** Records the sums of an evaluation. @throws LossNotFinite */
  recordEvaluation(task: EvaluateTask, evaluation: Evaluation): void {
    assertFiniteLoss(evaluation, task);
    this.writer.evaluated(task, evaluation);
  }

  /** Starts a checkpoint, which is written in the background, after the previous one is complete. */
  async checkpoint(team: Team): Promise<void> {
    await this.writer.written(); // two at once would need twice the memory
    this.writer.checkpoint(this.#schedule.epochOf(this.#doneSteps - 1), this.#doneSteps, team.captureState());
  }

  /** Starts a checkpoint, unless this step has one or no step has been made. */
  async checkpointOnce(team: Team): Promise<void> {
    if (this.hasStarted && this.writer.checkpointStep !== this.#doneSteps) await this.checkpoint(team);
  }

  /** Saves the state of a run that ends before its schedule does. */
  async interrupt(team: Team): Promise<void> {
    await this.checkpointOnce(team);
    await this.writer.written();
  }

  /** Writes the final weights, the charts and the trace. */
  async finish(team: Team): Promise<void> {
    await this.writer.written();
    await this.writer.finish(await team.captureState().read());
  }

  /** Waits for writes in flight. @returns the error that ends the run, with its remedy */
  async abandon(error: unknown): Promise<unknown> {
    await this.writer.abandon(error);
    return error instanceof LossNotFinite ? explainLoss(error, this.writer) : error;
  }
}
