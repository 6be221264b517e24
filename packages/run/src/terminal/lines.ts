/** The lines that a run prints. */
import { join } from "node:path";
import { counted } from "@lockstep/errors";
import type { EpochRow, TestRow } from "../folder/metrics.ts";
import type { RunFolder } from "../folder/run-folder.ts";
import type { Schedule } from "../schedule/schedule.ts";

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

/** `steps:  3,130, 313 per epoch; 626 done`. @param doneSteps number of steps done; undefined if the run is new */
export function stepsLine(
  { steps, stepsPerEpoch }: Pick<Schedule, "steps" | "stepsPerEpoch">,
  doneSteps?: number,
): string {
  const number = (value: number) => value.toLocaleString("en");
  const done = doneSteps === undefined ? "" : `; ${number(doneSteps)} done`;
  return `steps:  ${number(steps)}, ${number(stepsPerEpoch)} per epoch${done}`;
}

/** Returns the lines with the paths of the results of a finished run. */
export function resultLines(folder: Pick<RunFolder, "weights" | "charts">, modelName: string): string[] {
  return [`weights: ${folder.weights(modelName)}`, `charts:  ${join(folder.charts, "*.png")}`];
}

/** The progress of a run that stops early. */
export interface StoppedRun {
  /** Number of steps that it has made, of `allSteps`. */
  steps: number;
  allSteps: number;
  /** Whether it ends with a test. */
  test: boolean;
}

/** Returns the line of a run that stops before its end. @param command the command that continues the run */
export function stoppedLine({ steps, allSteps, test }: StoppedRun, command: string): string {
  const missing = test ? "the test" : "the last validation";
  const how =
    steps < allSteps
      ? `stopped after ${counted(steps, "step")}`
      : `stopped before ${missing}: all steps (${steps}) are done`;
  return `${how}; continue with: ${command}`;
}

function percent(fraction: number): string {
  return `${(fraction * 100).toFixed(3)}%`;
}
