/**
 * `pnpm train`: one model on this machine.
 *
 *   pnpm train --num-epochs 5
 *   pnpm train --dataset shapes --max-steps 200 --out runs/try
 *   pnpm train --resume runs/try --max-steps 400
 */
import {
  givenRunOptions,
  type MachineOptions,
  machineOptions,
  makeConfig,
  scaleForWorkers,
  shellWord,
  type WeakScaling,
} from "@lockstep/config";
import { openDistributedRun } from "@lockstep/coordinator";
import { expectRoomForDashboard } from "@lockstep/dashboard";
import { displayOn, type LogFormat, type RunFolder, type RunRequest } from "@lockstep/run";
import type { Shown } from "../dashboard-options.ts";
import { describeLayers } from "./describe.ts";
import { trainAlone } from "./train-alone.ts";
import { trainTogether } from "./train-together.ts";

export interface TrainOptions extends MachineOptions, Partial<WeakScaling> {
  out?: string;
  resume?: string;
  describe?: boolean;
  /** Processes that compute. @default 1, this one */
  workers?: number;
  log: LogFormat;
  /** Whether pages that show the run are answered, and where. @default yes, at the next free port */
  dashboard?: boolean;
  port?: number;
}

/** @param unkept typed options, as words, that a resume needs once more */
export async function train(options: TrainOptions & Record<string, unknown>, unkept: readonly string[]): Promise<void> {
  const { out, resume, workers = 1, log, port } = options;
  const { batchSizePerWorker, lrScaling = "none" } = options;
  const given = scaleForWorkers(givenRunOptions(options), { workers, batchSizePerWorker, lrScaling });
  if (options.describe === true) return describeLayers(makeConfig(given));
  const dashboard = options.dashboard === false ? undefined : { port };
  if (dashboard !== undefined) await expectRoomForDashboard(dashboard);
  const request: RunRequest =
    resume === undefined ? { type: "new", config: makeConfig(given), out } : { type: "resume", dir: resume, given };
  const machine = machineOptions(options);
  const shown = { display: displayOn(process.stdout, log), dashboard, unkept };
  const { dir } =
    workers === 1
      ? await trainAlone(request, machine, shown)
      : await trainWithWorkers(workers, request, machine, { ...shown, log });
  if (process.exitCode === undefined) shown.display.line(nextLine(dir));
}

async function trainWithWorkers(
  workers: number,
  request: RunRequest,
  machine: MachineOptions,
  shown: Shown & { log: LogFormat },
): Promise<RunFolder> {
  const distributed = await openDistributedRun(request, shown.display);
  await trainTogether(workers, distributed, machine, shown);
  return distributed.run.folder;
}

/** Returns the line that names what a user can do with a finished run. */
export function nextLine(dir: string): string {
  const run = shellWord(dir);
  return `next:    pnpm evaluate --run ${run}, pnpm predict --run ${run} PICTURE, pnpm train --help`;
}
