/**
 * The tasks of a run, in order: a pure function of its configuration and the sizes of its data. It does not depend on
 * the workers, so resumed and distributed runs execute the same tasks.
 */

import type { RunConfig } from "@lockstep/config";
import { LockstepError } from "@lockstep/errors";
import { type Step, toStep } from "@lockstep/gradient-sync";
import { learningRateAt } from "./learning-rate.ts";

/** The number of samples in each split of a data set. */
export interface DataSizes {
  trainSamples: number;
  validationSamples: number;
  testSamples: number;
}

/** The update `step`, on samples [start, end) in the order of the epoch. Steps and epochs count from 0. */
export interface StepTask {
  type: "step";
  epoch: number;
  step: Step;
  start: number;
  end: number;
  learningRate: number;
}

/** An evaluation of all samples of a split, after `step` updates. */
export interface EvaluateTask {
  type: "evaluate";
  split: "validation" | "test";
  samples: number;
  epoch: number;
  step: number;
}

/** One piece of a run's work. */
export type Task =
  | StepTask
  | EvaluateTask
  /** Ends an epoch: writes its row and its line. */
  | { type: "epoch-end"; epoch: number; step: number }
  | { type: "checkpoint"; epoch: number; step: number };

/** The tasks of a run, and their order. */
export interface Schedule {
  stepsPerEpoch: number;
  /** Number of updates of the whole run, limited by --max-steps. */
  steps: number;
  /** Returns the epoch of update `step`. */
  epochOf(step: number): number;
  /**
   * Returns the tasks that remain after `doneSteps` updates.
   *
   * @param endedSteps the number of updates when the last epoch ended. It is less than `doneSteps` if the run stopped
   *   between the last step of an epoch and its validation. @default doneSteps
   */
  tasksFrom(doneSteps: number, endedSteps?: number): Generator<Task, void>;
}

/**
 * Returns the schedule of a run.
 *
 * @param doneSteps the number of updates that a resumed run has already made
 * @throws LockstepError ERR_OPTION if the options now allow fewer steps than are done
 */
export function makeSchedule(config: RunConfig, sizes: DataSizes, doneSteps = 0): Schedule {
  const stepsPerEpoch = Math.ceil(sizes.trainSamples / config.batchSize);
  const steps = Math.min(config.numEpochs * stepsPerEpoch, config.maxSteps ?? Number.POSITIVE_INFINITY);
  if (steps >= doneSteps) return new RunSchedule(config, sizes, { stepsPerEpoch, steps });
  throw new LockstepError(
    "ERR_OPTION",
    `Expected --max-steps and --num-epochs to allow at least the ${doneSteps} steps that are already done, got ${steps}. Raise or omit them.`,
  );
}

class RunSchedule implements Schedule {
  readonly stepsPerEpoch: number;
  readonly steps: number;
  readonly #config: RunConfig;
  readonly #sizes: DataSizes;

  constructor(
    config: RunConfig,
    sizes: DataSizes,
    { stepsPerEpoch, steps }: Pick<Schedule, "stepsPerEpoch" | "steps">,
  ) {
    this.stepsPerEpoch = stepsPerEpoch;
    this.steps = steps;
    this.#config = config;
    this.#sizes = sizes;
  }

  epochOf(step: number): number {
    return Math.floor(Math.max(step, 0) / this.stepsPerEpoch);
  }

  *tasksFrom(doneSteps: number, endedSteps = doneSteps): Generator<Task, void> {
    if (endedSteps < doneSteps) yield* this.#tasksAfter(doneSteps - 1);
    for (let step = doneSteps; step < this.steps; step++) {
      yield this.#stepTask(step);
      yield* this.#tasksAfter(step);
    }
    if (!this.#config.test) return;
    const { testSamples: samples } = this.#sizes;
    yield { type: "evaluate", split: "test", samples, epoch: this.epochOf(this.steps - 1), step: this.steps };
  }

  /**
   * Yields the tasks after an update: at the end of an epoch its validation and its row, and a checkpoint if one is
   * due.
   */
  *#tasksAfter(step: number): Generator<Task, void> {
    const { validationSamples: samples } = this.#sizes;
    const { checkpointEvery } = this.#config;
    const done = { epoch: this.epochOf(step), step: step + 1 };
    const epochEnds = done.step === this.steps || done.step % this.stepsPerEpoch === 0;
    if (epochEnds) {
      if (samples > 0) yield { type: "evaluate", split: "validation", samples, ...done };
      yield { type: "epoch-end", ...done };
    }
    const every = checkpointEvery === "epoch" ? this.stepsPerEpoch : checkpointEvery;
    if (epochEnds || done.step % every === 0) yield { type: "checkpoint", ...done };
  }

  #stepTask(step: number): StepTask {
    const { batchSize } = this.#config;
    const start = (step % this.stepsPerEpoch) * batchSize;
    const end = Math.min(start + batchSize, this.#sizes.trainSamples);
    const learningRate = learningRateAt(this.#config, step, this.stepsPerEpoch);
    return { type: "step", epoch: this.epochOf(step), step: toStep(step), start, end, learningRate };
  }
}
