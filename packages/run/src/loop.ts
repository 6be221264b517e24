/**
 * A run from start to end. Who computes is the team's matter: one replica in this process, or many workers behind
 * sockets. What is computed, and what is written about it, is the same.
 */

import { shellWord } from "@lockstep/config";
import { LockstepError } from "@lockstep/errors";
import type { Controls } from "./live/controls.ts";
import type { Recorder } from "./record/recorder.ts";
import type { EvaluateTask, Schedule, StepTask } from "./schedule/schedule.ts";
import type { Team } from "./team.ts";

/** Everything that `conduct` needs to carry out a run. */
export interface Conduct {
  schedule: Schedule;
  team: Team;
  recorder: Recorder;
  /** Updates that are done already, and how many were when an epoch was last ended. */
  doneSteps: number;
  endedSteps: number;
  /** Aborts when the run is to stop: it then ends its step, and leaves with a checkpoint. */
  signal: AbortSignal;
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
  const { schedule, team, recorder, doneSteps, endedSteps, signal, controls } = options;
  let done = doneSteps;
  const checkpoint = async () => {
    await recorder.written(); // two at once would need their memory twice
    recorder.checkpoint(schedule.epochOf(done - 1), done, team.captureState());
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
    if (await controls?.attend(checkpointOnce, signal)) team.skipTime?.();
    await team.assemble?.(signal);
    if (done > 0 && signal.aborted) return interrupted();
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
        const evaluation = await team.evaluate(task, signal);
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
  await recorder.finish(await team.captureState().read());
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
