/**
 * A run from start to end. Who computes is the team's matter: one replica in this process, or many workers behind
 * sockets. What is computed, and what is written about it, is the same.
 */
import type { Task } from "./schedule/schedule.ts";
import { throwIfFailed } from "./stop-reason.ts";
import type { Team } from "./team.ts";
import type { TrainingRun } from "./training-run.ts";

/** How the loop ends: the schedule is done, or it was asked to stop and has saved the state of the step it reached. */
export type LoopEnd = "finished" | "interrupted";

/**
 * Does all remaining tasks of the run's schedule. However it ends, nothing is being written any more then.
 *
 * @param signal aborts with a `StopReason`: the loop then ends its step and saves its state, or throws the failure
 */
export async function trainLoop(run: TrainingRun, team: Team, signal: AbortSignal): Promise<LoopEnd> {
  try {
    return await doTasks(run, team, signal);
  } catch (error) {
    throw await run.abandon(error);
  }
}

async function doTasks(run: TrainingRun, team: Team, signal: AbortSignal): Promise<LoopEnd> {
  await run.checkpointOnce(team); // until now only workers hold this state
  for (const task of run.tasks()) {
    await run.attendControls(team, signal);
    await team.assemble?.(signal);
    const stops = signal.aborted && run.hasStarted;
    if (stops || !(await doTask(task, run, team, signal))) {
      throwIfFailed(signal);
      await run.interrupt(team);
      return "interrupted";
    }
  }
  await run.finish(team);
  return "finished";
}

/** @returns whether it was done; false if it was to stop on the way */
async function doTask(task: Task, run: TrainingRun, team: Team, signal: AbortSignal): Promise<boolean> {
  switch (task.type) {
    case "step":
      await team.step(task, (totals) => run.recordStep(task, totals));
      await run.stepMade(task, team);
      return true;
    case "evaluate": {
      const evaluation = await team.evaluate(task, signal);
      if (evaluation === undefined) return false;
      run.recordEvaluation(task, evaluation);
      return true;
    }
    case "epoch-end":
      await team.checkReplicas?.();
      run.writer.epochEnd(task);
      return true;
    case "checkpoint":
      await run.checkpoint(team);
      return true;
  }
}
