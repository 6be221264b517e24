/** The lines that a run prints. */
import type { EpochRow, TestRow } from "./metrics.ts";

/** `[Epoch   1] train_loss: 1.946 train_acc: 25.800% eval_loss: 1.634 eval_acc: 40.900%` */
export function epochLine({ epoch, trainLoss, trainAccuracy, evalLoss, evalAccuracy }: EpochRow): string {
  const train = `train_loss: ${trainLoss.toFixed(3)} train_acc: ${percent(trainAccuracy)}`;
  const line = `[Epoch ${String(epoch).padStart(3)}] ${train}`;
  if (evalLoss === undefined || evalAccuracy === undefined) return line;
  return `${line} eval_loss: ${evalLoss.toFixed(3)} eval_acc: ${percent(evalAccuracy)}`;
}

/** `[Test ] loss: 1.234 acc: 70.123%` */
export function testLine({ loss, accuracy }: Pick<TestRow, "loss" | "accuracy">): string {
  return `[Test ] loss: ${loss.toFixed(3)} acc: ${percent(accuracy)}`;
}

function percent(fraction: number): string {
  return `${(fraction * 100).toFixed(3)}%`;
}
