/**
 * A run from start to end. Who computes is the team's matter: one replica in this process, or many workers behind
 * sockets. What is computed, and what is written about it, is the same.
 */

import { shellWord } from "@lockstep/config";
import { LockstepError } from "@lockstep/errors";
import type { Evaluation } from "./evaluation.ts";
import type { Controls } from "./live/controls.ts";
import type { Recorder } from "./record/recorder.ts";
import type { EvaluateTask, Schedule, StepTask } from "./schedule/schedule.ts";

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
  /** What the thread of its socket did meanwhile, in milliseconds: encode, send, receive. */
  io: Record<string, number>;
  /** When its last slice was computed: milliseconds of the step, by the coordinator's clock. */
  doneMs?: number | undefined;
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
  /** Resolves when enough workers are here for the next task, or `stopRequested` says so. Absent where there is one. */
  assemble?(stopRequested: () => boolean): Promise<void>;
  /**
   * Takes one step. When the batch's sums are there, and before anyone applies the update, `beforeCommit` is called;
   * if it throws, no one applies it.
   */
  step(task: StepTask, beforeCommit: (totals: StepTotals) => void): Promise<void>;
  /** Evaluates all samples of a part at the current weights. Undefined if `stopRequested` said so on the way. */
  evaluate(task: EvaluateTask, stopRequested: () => boolean): Promise<Evaluation | undefined>;
  /**
   * A copy of the weights and momentum after the step just made, which no one changes any more. Asked for between steps;
   * the next ones are asked for before the promise settles, so a team must capture this state whatever follows, or put
   * off what follows. It must settle also when nothing follows, and rejects if the state can't be had.
   *
   * @throws LockstepError ERR_STATE_LOST if whoever had it was lost, and the others have gone on
   */
  state(): Promise<ParameterState[]>;
  /** The time until now belongs to no step: the run was paused. */
  skipTime?(): void;
  /** Rejects if the replicas' weights and momentum are not all the same. Absent where there is one replica. */
  checkReplicas?(): Promise<void>;
}

/** Everything that `conduct` needs to carry out a run. */
export interface Conduct {
  schedule: Schedule;
  team: Team;
  recorder: Recorder;
  /** Updates that are done already, and how many were when an epoch was last ended. */
  doneSteps: number;
  endedSteps: number;
  /** Asked between steps and within evaluations: leave now, with a checkpoint? */
  stopRequested: () => boolean;
  /** What people ask of the run. @default nothing */
  controls?: Controls | undefined;
}

/**
 * Does all remaining tasks of the schedule. An interrupted run ends with a checkpoint of the step it reached. However a
 * run ends, nothing is being written any more then.
 */
export async function conduct(options: Conduct): Promise<"finished" | "interrupted"> {
  const { recorder } = options;
  try {
    return await doTasks(options);
  } catch (error) {
    await recorder.abandon(error);
    throw error instanceof NotFinite ? lossNotFinite(error, recorder) : error;
  }
}

async function doTasks(options: Conduct): Promise<"finished" | "interrupted"> {
  const { schedule, team, recorder, doneSteps, endedSteps, stopRequested, controls } = options;
  let done = doneSteps;
  const checkpoint = async () => {
    await recorder.written(); // two at once would need their memory twice
    recorder.checkpoint(schedule.epochOf(done - 1), done, team.state());
  };
  const checkpointOnce = async () => {
    if (done > 0 && recorder.checkpointStep !== done) await checkpoint();
  };
  const interrupted = async () => {
    await checkpointOnce();
    await recorder.written();
    return "interrupted" as const;
  };
  await checkpointOnce(); // until now only workers hold this state
  for (const task of schedule.tasksFrom(doneSteps, endedSteps)) {
    if (await controls?.attend(checkpointOnce, stopRequested)) team.skipTime?.();
    await team.assemble?.(stopRequested);
    if (done > 0 && stopRequested()) return interrupted();
    switch (task.type) {
      case "step":
        await team.step(task, (totals) => {
          expectFinite(totals, task);
          recorder.step(task, totals);
        });
        done = task.step + 1;
        if (recorder.checkpointLost) await checkpoint();
        break;
      case "evaluate": {
        const evaluation = await team.evaluate(task, stopRequested);
        if (evaluation === undefined) return interrupted();
        expectFinite(evaluation, task);
        recorder.evaluated(task, evaluation);
        break;
      }
      case "epoch-end":
        await team.checkReplicas?.();
        recorder.epochEnd(task);
        break;
      case "checkpoint":
        await checkpoint();
        break;
    }
  }
  await recorder.written();
  await recorder.finish(await team.state());
  return "finished";
}

/** A sum is NaN or infinite: that ends the run, before anything that follows from it is applied or saved. */
class NotFinite extends Error {
  readonly task: StepTask | EvaluateTask;
  readonly loss: number;

  constructor(task: StepTask | EvaluateTask, loss: number) {
    super(`The loss is ${loss}.`);
    this.task = task;
    this.loss = loss;
  }
}

function expectFinite({ lossSum, samples }: { lossSum: number; samples: number }, task: StepTask | EvaluateTask): void {
  if (!Number.isFinite(lossSum)) throw new NotFinite(task, lossSum / samples);
}

/** With its remedy, which depends on the checkpoints that are there. */
function lossNotFinite({ task, loss }: NotFinite, recorder: Recorder): LockstepError {
  const what =
    task.type === "step"
      ? `The loss of step ${task.step} is ${loss} at learning rate ${task.learningRate}; its update was not applied.`
      : `The ${task.part} loss after ${task.step} steps is ${loss}.`;
  const good = recorder.lastGoodCheckpoint(task.step);
  const remedy =
    good === undefined
      ? "There is no good checkpoint. Start again with a lower --lr or with --warmup-epochs 1."
      : `The last good checkpoint is ${good}. Start a new run with --init-from ${shellWord(good)} and a lower --lr.`;
  return new LockstepError("ERR_LOSS_NOT_FINITE", `${what} ${remedy}`);
}
