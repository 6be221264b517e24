/** Ends a run whose loss is NaN or infinite, before its update is applied or saved. */
import { shellWord } from "@lockstep/config";
import { counted, LockstepError } from "@lockstep/errors";
import type { RunWriter } from "./record/run-writer.ts";
import type { EvaluateTask, StepTask } from "./schedule/schedule.ts";

/** Says which task had which loss. The remedy is added later: it depends on checkpoints still being written. */
export class LossNotFinite extends Error {
  readonly task: StepTask | EvaluateTask;
  readonly loss: number;

  constructor(task: StepTask | EvaluateTask, loss: number) {
    super(`The loss is ${loss}.`);
    this.task = task;
    this.loss = loss;
  }
}

/** @throws LossNotFinite */
export function assertFiniteLoss(
  { lossSum, samples }: { lossSum: number; samples: number },
  task: StepTask | EvaluateTask,
): void {
  if (!Number.isFinite(lossSum)) throw new LossNotFinite(task, lossSum / samples);
}

/** Returns the error with its remedy, which depends on the checkpoints on disk. */
export function explainLoss(
  { task, loss }: LossNotFinite,
  writer: Pick<RunWriter, "lastGoodCheckpoint">,
): LockstepError {
  const what =
    task.type === "step"
      ? `The loss of step ${task.step} is ${loss} at learning rate ${task.learningRate}; its update was not applied.`
      : `The ${task.split} loss after ${counted(task.step, "step")} is ${loss}.`;
  const good = writer.lastGoodCheckpoint(task.step);
  const remedy =
    good === undefined
      ? "No good checkpoint exists. Start again with a lower --lr or with --warmup-epochs 1."
      : `The last good checkpoint is ${good}. Start a new run with --init-from ${shellWord(good)} and a lower --lr.`;
  return new LockstepError("ERR_LOSS_NOT_FINITE", `${what} ${remedy}`);
}
