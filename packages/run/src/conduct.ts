/**
 * A run from start to end. Who computes is the team's matter: one replica in this process, or many workers behind
 * sockets. What is computed, and what is written about it, is the same.
 */
import { LockstepError } from "@lockstep/errors";
import type { Evaluation } from "./evaluation.ts";
import type { Recorder } from "./recorder.ts";
import type { EvaluateTask, Schedule, StepTask } from "./schedule.ts";

/** Sums over the global batch of a step, and where the time went. */
export interface StepTotals {
  samples: number;
  lossSum: number;
  correct: number;
  /** Milliseconds of each part of the step, and `step` for the whole; from the end of one backward pass to the next. */
  ms: Record<string, number> & { step: number };
  /** How many slices the batch was cut into, and what each worker did. Absent on a single machine. */
  slices?: number;
  workers?: WorkerShare[];
}

/** A worker's part in a step. */
export interface WorkerShare {
  name: string;
  samples: number;
  bytesUp: number;
  bytesDown: number;
  /** Disjoint parts of the worker's own step, in milliseconds. */
  ms: Record<string, number>;
}

/** Weights and momentum under their state dict names, in PyTorch's layout. */
export interface ParameterState {
  name: string;
  shape: number[];
  weight: Float32Array;
  velocity: Float32Array;
}

/** Whoever holds the weights and computes on them. */
export interface Team {
  /**
   * Takes one step. When the batch's sums are there, and before anyone applies the update, `beforeCommit` is called;
   * if it throws, no one applies it.
   */
  step(task: StepTask, beforeCommit: (totals: StepTotals) => void): Promise<void>;
  /** Evaluates all samples of a part at the current weights. Undefined if `stopRequested` said so on the way. */
  evaluate(task: EvaluateTask, stopRequested: () => boolean): Promise<Evaluation | undefined>;
  /** A copy of the current weights and momentum. */
  state(): Promise<ParameterState[]>;
}

export interface Conduct {
  schedule: Schedule;
  team: Team;
  recorder: Recorder;
  /** Updates that are done already, and how many were when an epoch was last ended. */
  doneSteps: number;
  endedSteps: number;
  /** Asked between steps and within evaluations: leave now, with a checkpoint? */
  stopRequested: () => boolean;
}

/** Does all remaining tasks of the schedule. An interrupted run ends with a checkpoint of the step it reached. */
export async function conduct(options: Conduct): Promise<"finished" | "interrupted"> {
  const { schedule, team, recorder, doneSteps, endedSteps, stopRequested } = options;
  let done = doneSteps;
  const interrupted = async () => {
    if (recorder.checkpointStep !== done) recorder.checkpoint(schedule.epochOf(done - 1), done, await team.state());
    return "interrupted" as const;
  };
  for (const task of schedule.tasksFrom(doneSteps, endedSteps)) {
    if (done > 0 && stopRequested()) return interrupted();
    switch (task.type) {
      case "step":
        await team.step(task, (totals) => {
          refuseNotFinite(totals, task, recorder);
          recorder.step(task, totals);
        });
        done = task.step + 1;
        break;
      case "evaluate": {
        const evaluation = await team.evaluate(task, stopRequested);
        if (evaluation === undefined) return interrupted();
        refuseNotFinite(evaluation, task, recorder);
        recorder.evaluated(task, evaluation);
        break;
      }
      case "epoch-end":
        recorder.epochEnd(task);
        break;
      case "checkpoint":
        recorder.checkpoint(task.epoch, task.step, await team.state());
        break;
    }
  }
  await recorder.finish(await team.state());
  return "finished";
}

/** A sum that is NaN or infinite ends the run, before anything that follows from it is applied or saved. */
function refuseNotFinite(
  sums: { lossSum: number; samples: number },
  task: StepTask | EvaluateTask,
  recorder: Recorder,
): void {
  if (Number.isFinite(sums.lossSum)) return;
  const loss = sums.lossSum / sums.samples;
  const what =
    task.type === "step"
      ? `The loss of step ${task.step} is ${loss} at learning rate ${task.learningRate}; its update was not applied.`
      : `The ${task.part} loss after ${task.step} steps is ${loss}.`;
  const good = recorder.lastGoodCheckpoint(task.step);
  const remedy =
    good === undefined
      ? "There is no good checkpoint. Start again with a lower --lr or with --warmup-epochs 1."
      : `The last good checkpoint is ${good}. Start a new run with --init-from ${good} and a lower --lr.`;
  throw new LockstepError("ERR_LOSS_NOT_FINITE", `${what} ${remedy}`);
}
