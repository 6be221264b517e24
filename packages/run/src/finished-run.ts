/** Detects a resumed run that has nothing left to do and therefore needs no engine and no workers. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { readReport } from "./folder/report.ts";
import type { RunInputs } from "./open-run.ts";
import { makeSchedule } from "./schedule/schedule.ts";
import { resultLines, stepsLine } from "./terminal/lines.ts";
import { nextStepsLine } from "./terminal/next-steps-line.ts";

/**
 * Returns the lines to print for a run whose steps are all done and whose results are all written; undefined if
 * anything is left to do.
 *
 * @throws LockstepError ERR_OPTION if the options now allow fewer steps than are done
 */
export function finishedLines({ config, folder, checkpoint, saved }: RunInputs): string[] | undefined {
  if (checkpoint === undefined || saved === undefined || folder === undefined) return undefined;
  const { steps, stepsPerEpoch } = makeSchedule(config, saved.derived, checkpoint.step);
  if (checkpoint.step < steps || checkpoint.progress.endedSteps < steps) return undefined;
  const written = [folder.weights(saved.derived.modelName), join(folder.tfjs, "model.json")].every((path) =>
    existsSync(path),
  );
  const tested = !config.test || readReport(folder.report) !== undefined;
  if (!written || !tested) return undefined;
  const results = resultLines(folder, saved.derived.modelName);
  return [stepsLine({ steps, stepsPerEpoch }, checkpoint.step), ...results, nextStepsLine(folder.dir)];
}
