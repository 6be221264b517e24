/** Runs the tasks of a schedule with a team, for simulated runs and for those on sockets. */
import { defined } from "@lockstep/errors";
import type { Evaluation, StepTask, StepTotals, Task } from "@lockstep/run";
import type { RemoteTeam } from "../team/remote-team.ts";

/** Callbacks for the results of a run. */
export interface TaskHandlers {
  onStep(totals: StepTotals, task: StepTask): void;
  onEvaluation(evaluation: Evaluation): void;
  /** Called for each checkpoint of the schedule. The next task starts when it resolves. */
  onCheckpoint(): void | Promise<void>;
}

/** Runs the tasks one after the other. */
export async function runTasks(team: RemoteTeam, tasks: Iterable<Task>, handlers: TaskHandlers): Promise<void> {
  for (const task of tasks) {
    if (task.type === "step") await team.step(task, (totals) => handlers.onStep(totals, task));
    else if (task.type === "evaluate") handlers.onEvaluation(defined(await team.evaluate(task), "an evaluation"));
    else if (task.type === "epoch-end") await team.checkReplicas();
    else await handlers.onCheckpoint();
  }
}
