/**
 * What a run does, in order: a pure function of its configuration and the sizes of its data. Nothing in it depends on
 * who computes, so a run that is resumed, or shared among workers, does the same.
 */
import type { RunConfig } from "./config.ts";
import { learningRateAt } from "./learning-rate.ts";

export interface DataSizes {
  trainSamples: number;
  validationSamples: number;
  testSamples: number;
}

/** The update number `step`, on samples [start, end) of the epoch's order. Steps and epochs count from 0. */
export interface StepTask {
  type: "step";
  epoch: number;
  step: number;
  start: number;
  end: number;
  learningRate: number;
}

export type Task =
  | StepTask
  /** All samples of a part once, without gradients; after `step` updates. */
  | { type: "evaluate"; part: "validation" | "test"; samples: number; epoch: number; step: number }
  /** The epoch is over: its row and its line are written. */
  | { type: "epoch-end"; epoch: number; step: number }
  | { type: "checkpoint"; epoch: number; step: number };

export interface Schedule {
  stepsPerEpoch: number;
  /** Updates of the whole run, --max-steps considered. */
  steps: number;
  /** The tasks that remain when `doneSteps` updates are done. */
  tasksFrom(doneSteps: number): Generator<Task, void>;
}

export function makeSchedule(config: RunConfig, sizes: DataSizes): Schedule {
  const stepsPerEpoch = Math.ceil(sizes.trainSamples / config.batchSize);
  const steps = Math.min(config.numEpochs * stepsPerEpoch, config.maxSteps ?? Number.POSITIVE_INFINITY);

  function* tasksFrom(doneSteps: number): Generator<Task, void> {
    for (let step = doneSteps; step < steps; step++) {
      const task = stepTask(step);
      yield task;
      const done = { epoch: task.epoch, step: step + 1 };
      const epochEnds = (step + 1) % stepsPerEpoch === 0 || step + 1 === steps;
      if (epochEnds) {
        if (sizes.validationSamples > 0) {
          yield { type: "evaluate", part: "validation", samples: sizes.validationSamples, ...done };
        }
        yield { type: "epoch-end", ...done };
      }
      const every = config.checkpointEvery === "epoch" ? stepsPerEpoch : config.checkpointEvery;
      if ((step + 1) % every === 0 || step + 1 === steps) yield { type: "checkpoint", ...done };
    }
    if (config.test) {
      const epoch = Math.floor((Math.max(steps, 1) - 1) / stepsPerEpoch);
      yield { type: "evaluate", part: "test", samples: sizes.testSamples, epoch, step: steps };
    }
  }

  function stepTask(step: number): StepTask {
    const epoch = Math.floor(step / stepsPerEpoch);
    const start = (step % stepsPerEpoch) * config.batchSize;
    const end = Math.min(start + config.batchSize, sizes.trainSamples);
    return { type: "step", epoch, step, start, end, learningRate: learningRateAt(config, step, stepsPerEpoch) };
  }

  return { stepsPerEpoch, steps, tasksFrom };
}
