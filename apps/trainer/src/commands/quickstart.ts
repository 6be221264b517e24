/** `pnpm quickstart`: trains AlexNet for CIFAR-10 on generated shapes; a tour of everything in minutes. */

import { machineOptions, makeConfig } from "@lockstep/config";
import type { QuickstartOptions } from "@lockstep/config/programs";
import { displayOn } from "@lockstep/run";
import { nextStepsLine, trainInProcess } from "@lockstep/trainer";

/** Trains, and prints the commands that use the run. */
export async function quickstart({ out, ...machine }: QuickstartOptions): Promise<void> {
  console.log("Ten shapes, drawn at random places, sizes and colours: a set without files, to see a training at work.");
  console.log("On real pictures: pnpm train (CIFAR-10, 170 MB are downloaded).\n");
  const config = makeConfig({ dataset: "shapes", init: "he", trainFraction: 0.9, numEpochs: 1, maxSteps: 150 });
  const view = { display: displayOn(process.stdout, "text"), dashboard: {} };
  const { dir } = await trainInProcess({ type: "new", config, out }, machineOptions(machine), view);
  if (process.exitCode === undefined) console.log(nextStepsLine(dir));
}
