/**
 * `pnpm train`: one model on this machine.
 *
 *   pnpm train --num-epochs 5
 *   pnpm train --dataset shapes --max-steps 200 --out runs/try
 *   pnpm train --resume runs/try --max-steps 400
 *
 * The code that trains is loaded once the options have been checked.
 */
import { explicitRunOptions, machineOptions, makeConfig, scaleForWorkers } from "@lockstep/config";
import type { TrainOptions } from "@lockstep/config/programs";
import { assertDashboardPortFree } from "@lockstep/dashboard";
import { displayOn, type RunRequest } from "@lockstep/run";

/** Trains. @param unsavedFlags flags to repeat on resume, since the run's folder does not save them */
export async function train(
  options: TrainOptions & Record<string, unknown>,
  unsavedFlags: readonly string[],
): Promise<void> {
  const { out, resume, workers = 1, log, port } = options;
  const { batchSizePerWorker, lrScaling = "none" } = options;
  const explicit = scaleForWorkers(explicitRunOptions(options), { workers, batchSizePerWorker, lrScaling });
  if (options.describe === true) {
    const config = makeConfig(explicit);
    return (await import("./describe.ts")).describeLayers(config);
  }
  const dashboard = options.dashboard === false ? undefined : { port };
  if (dashboard !== undefined) await assertDashboardPortFree(dashboard);
  const request: RunRequest =
    resume === undefined
      ? { type: "new", config: makeConfig(explicit), out }
      : { type: "resume", dir: resume, explicit };
  const machine = machineOptions(options);
  const view = { display: displayOn(process.stdout, log), dashboard, unsavedFlags };
  if (workers === 1) {
    const { trainInProcess } = await import("@lockstep/trainer");
    await trainInProcess(request, machine, view);
  } else {
    const { trainWithWorkers } = await import("@lockstep/trainer/with-workers");
    await trainWithWorkers(workers, request, machine, { ...view, log });
  }
}
