/**
 * `pnpm train`: one model on this machine.
 *
 *   pnpm train --num-epochs 5
 *   pnpm train --dataset shapes --max-steps 200 --out runs/try
 *   pnpm train --resume runs/try --max-steps 400
 */
import { explicitRunOptions, machineOptions, makeConfig, scaleForWorkers } from "@lockstep/config";
import type { TrainOptions } from "@lockstep/config/programs";
import { assertDashboardPortFree } from "@lockstep/dashboard";
import { displayOn, type RunRequest } from "@lockstep/run";
import { nextStepsLine, trainInProcess, trainWithWorkers } from "@lockstep/trainer";
import { describeLayers } from "./describe.ts";

/** Trains. @param unsavedFlags flags to repeat on resume, since the run's folder does not save them */
export async function train(
  options: TrainOptions & Record<string, unknown>,
  unsavedFlags: readonly string[],
): Promise<void> {
  const { out, resume, workers = 1, log, port } = options;
  const { batchSizePerWorker, lrScaling = "none" } = options;
  const explicit = scaleForWorkers(explicitRunOptions(options), { workers, batchSizePerWorker, lrScaling });
  if (options.describe === true) return describeLayers(makeConfig(explicit));
  const dashboard = options.dashboard === false ? undefined : { port };
  if (dashboard !== undefined) await assertDashboardPortFree(dashboard);
  const request: RunRequest =
    resume === undefined
      ? { type: "new", config: makeConfig(explicit), out }
      : { type: "resume", dir: resume, explicit };
  const machine = machineOptions(options);
  const view = { display: displayOn(process.stdout, log), dashboard, unsavedFlags };
  const { dir } =
    workers === 1
      ? await trainInProcess(request, machine, view)
      : await trainWithWorkers(workers, request, machine, { ...view, log });
  if (process.exitCode === undefined) view.display.line(nextStepsLine(dir));
}
