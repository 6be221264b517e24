/**
 * The training loop: a run from its first task to its last. The team computes, as one replica in this process or as
 * many workers behind sockets; the loop is the same for both.
 */
import type { Task } from "./schedule/schedule.ts";
import { throwIfFailed } from "./stop-reason.ts";
import type { Team } from "./team.ts";
import type { TrainingRun } from "./training-run.ts";

/** The end of a loop: it completed the schedule, or it was asked to stop and saved a checkpoint of its last step. */
export type LoopEnd = "finished" | "interrupted";

/**
 * Runs all remaining tasks of the run's schedule. When it returns or throws, no write is in flight.
 *
 * @param signal aborts with a `StopReason`: the loop then completes its step and saves its state, or throws the failure
 */
export async function trainLoop(run: TrainingRun, team: Team, signal: AbortSignal): Promise<LoopEnd> {
  try {
    return await doTasks(run, team, signal);
  } catch (error) {
    throw await run.abandon(error);
  }
}

async function doTasks(run: TrainingRun, team: Team, signal: AbortSignal): Promise<LoopEnd> {
  await run.checkpointOnce(team); // after a resume from the workers, only they hold this state
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

/** Runs one task. @returns false if `signal` aborted before the task was complete */
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
