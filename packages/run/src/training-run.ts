/** A run that the training loop carries out: how far it is, and what is written about it. */

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
  /** What it goes on from. @default its start */
  resumePoint?: ResumePoint | undefined;
  /** What people ask of the run. @default nothing */
  controls?: Controls | undefined;
}

/** Knows how many updates a run has made, and keeps its record and its checkpoints. */
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

  /** Whether an update has been made: there is a state that only the team holds. */
  get hasStarted(): boolean {
    return this.#doneSteps > 0;
  }

  /** The tasks that were left when the run was begun or resumed. */
  tasks(): Generator<Task, void> {
    return this.#schedule.tasksFrom(this.#doneSteps, this.#endedSteps);
  }

  /** Takes the checkpoint that people ask for, and waits while they have paused the run. */
  async attendControls(team: Team, signal: AbortSignal): Promise<void> {
    await this.#controls?.attend(team, () => this.checkpointOnce(team), signal);
  }

  /** Records a step whose update is about to be applied. @throws LossNotFinite if it must not be */
  recordStep(task: StepTask, totals: StepTotals): void {
    assertFiniteLoss(totals, task);
    this.writer.step(task, totals);
  }

  /** Counts the update of a step. A checkpoint whose state was lost with its worker is taken again. */
  async stepMade({ step }: StepTask, team: Team): Promise<void> {
    this.#doneSteps = step + 1;
    if (this.writer.isCheckpointDue) await this.checkpoint(team);
  }

  /** Records the sums of an evaluation. @throws LossNotFinite */
  recordEvaluation(task: EvaluateTask, evaluation: Evaluation): void {
    assertFiniteLoss(evaluation, task);
    this.writer.evaluated(task, evaluation);
  }

  /** Begins a checkpoint, which is written beside what follows, once the one before is written. */
  async checkpoint(team: Team): Promise<void> {
    await this.writer.written(); // two at once would need their memory twice
    this.writer.checkpoint(this.#schedule.epochOf(this.#doneSteps - 1), this.#doneSteps, team.captureState());
  }

  /** Begins a checkpoint, unless there is one of this step, or no step has been made. */
  async checkpointOnce(team: Team): Promise<void> {
    if (this.hasStarted && this.writer.checkpointStep !== this.#doneSteps) await this.checkpoint(team);
  }

  /** Saves the state of a run that ends before its schedule does. */
  async interrupt(team: Team): Promise<void> {
    await this.checkpointOnce(team);
    await this.writer.written();
  }

  /** Writes the final weights and all that follows from them. */
  async finish(team: Team): Promise<void> {
    await this.writer.written();
    await this.writer.finish(await team.captureState().read());
  }

  /** Waits until nothing is being written any more. @returns the error that ends the run, with its remedy */
  async abandon(error: unknown): Promise<unknown> {
    await this.writer.abandon(error);
    return error instanceof LossNotFinite ? explainLoss(error, this.writer) : error;
  }
}
