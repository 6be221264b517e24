/**
 * A run from start to end. Who computes is the team's matter: one replica in this process, or many workers behind
 * sockets. What is computed, and what is written about it, is the same.
 */
import { LockstepError } from "@lockstep/errors";
import type { Evaluation } from "./evaluation.ts";
import type { Recorder } from "./recorder.ts";
import type { Schedule, StepTask, Task } from "./schedule.ts";

/** Sums over the global batch of a step, and where the time went. */
export interface StepTotals {
  samples: number;
  lossSum: number;
  correct: number;
  /** Milliseconds of each part of the step, and `step` for the whole; from the end of one backward pass to the next. */
  ms: Record<string, number> & { step: number };
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
  /** Evaluates all samples of a part at the current weights. */
  evaluate(task: Extract<Task, { type: "evaluate" }>): Promise<Evaluation>;
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
  /** Asked after each step: leave now, with a checkpoint? */
  stopRequested: () => boolean;
}

/** Does all remaining tasks of the schedule. An interrupted run ends with a checkpoint of the step it reached. */
export async function conduct({
  schedule,
  team,
  recorder,
  doneSteps,
  endedSteps,
  stopRequested,
}: Conduct): Promise<"finished" | "interrupted"> {
  for (const task of schedule.tasksFrom(doneSteps, endedSteps)) {
    switch (task.type) {
      case "step":
        await team.step(task, (totals) => {
          refuseNotFinite(totals, task, recorder);
          recorder.step(task, totals);
        });
        if (stopRequested()) {
          recorder.checkpoint({ epoch: task.epoch, step: task.step + 1 }, await team.state());
          return "interrupted";
        }
        break;
      case "evaluate":
        recorder.evaluated(task, await team.evaluate(task));
        break;
      case "epoch-end":
        recorder.epochEnd(task);
        break;
      case "checkpoint":
        recorder.checkpoint(task, await team.state());
        break;
    }
  }
  await recorder.finish(await team.state());
  return "finished";
}

function refuseNotFinite({ lossSum, samples }: StepTotals, { step, learningRate }: StepTask, recorder: Recorder): void {
  if (Number.isFinite(lossSum)) return;
  const checkpoint = recorder.lastCheckpoint;
  throw new LockstepError(
    "ERR_LOSS_NOT_FINITE",
    `The loss of step ${step} is ${lossSum / samples} at learning rate ${learningRate}; its update was not applied. ` +
      (checkpoint === undefined
        ? "There is no checkpoint yet. Start again with a lower --lr or with --warmup-epochs 1."
        : `The last good checkpoint is ${checkpoint}. Start a new run with --init-from ${checkpoint} and a lower --lr.`),
  );
}
