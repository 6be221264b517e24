/** A run that is resumed when nothing of it is left to do: it needs no workers. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { makeSchedule, type OpenedRun, readReport, resultLines, stepsLine } from "@lockstep/run";

/**
 * Returns what to say of a run whose steps are all made and whose results are all written; undefined if anything is left.
 *
 * @throws LockstepError ERR_OPTION if the options now allow fewer steps than are done
 */
export function finishedLines({ config, folder, checkpoint, saved }: OpenedRun): string[] | undefined {
  if (checkpoint === undefined || saved === undefined) return undefined;
  const { steps, stepsPerEpoch } = makeSchedule(config, saved.derived, checkpoint.step);
  if (checkpoint.step < steps || checkpoint.progress.endedSteps < steps) return undefined;
  const written = [folder.weights(saved.derived.modelName), join(folder.tfjs, "model.json")].every((path) =>
    existsSync(path),
  );
  const tested = !config.test || readReport(folder.report) !== undefined;
  if (!written || !tested) return undefined;
  return [stepsLine({ steps, stepsPerEpoch }, checkpoint.step), ...resultLines(folder, saved.derived.modelName)];
}
