/** A run that is resumed when nothing of it is left to do: it needs no workers. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { RunConfig } from "@lockstep/config";
import {
  type Derived,
  makeSchedule,
  type Resumed,
  type RunFolder,
  readReport,
  resultLines,
  stepsLine,
} from "@lockstep/run";

/** The parts of a resumed run that show whether it is finished. */
export interface ResumedRun {
  config: RunConfig;
  folder: RunFolder;
  /** The checkpoint that it resumes from. @default the run is new, or has no checkpoint */
  resumed?: Resumed | undefined;
  /** The values that were derived from its options before it was resumed. */
  before?: Derived | undefined;
}

/**
 * Returns what to say of a run whose steps are all made and whose results are all written; undefined if anything is left.
 *
 * @throws LockstepError ERR_OPTION if the options now allow fewer steps than are done
 */
export function finishedLines({ config, folder, resumed, before }: ResumedRun): string[] | undefined {
  if (resumed === undefined || before === undefined) return undefined;
  const { steps, stepsPerEpoch } = makeSchedule(config, before, resumed.step);
  if (resumed.step < steps || resumed.progress.endedSteps < steps) return undefined;
  const written = [folder.weights(before.modelName), join(folder.tfjs, "model.json")].every((path) => existsSync(path));
  const tested = !config.test || readReport(folder.report) !== undefined;
  if (!written || !tested) return undefined;
  return [stepsLine({ steps, stepsPerEpoch }, resumed.step), ...resultLines(folder, before.modelName)];
}
