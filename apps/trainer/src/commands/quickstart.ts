/** `pnpm quickstart`: trains AlexNet for CIFAR-10 on generated shapes; a tour of everything in minutes. */

import { machineOptions, makeConfig } from "@lockstep/config";
import type { QuickstartOptions } from "@lockstep/config/programs";
import { displayOn } from "@lockstep/run";
import { trainInProcess } from "@lockstep/trainer";

/** Says what it does, and trains. */
export async function quickstart({ out, ...machine }: QuickstartOptions): Promise<void> {
  console.log("Trains on generated pictures of ten shapes, which need no data files.");
  console.log("To train on real pictures, run pnpm train. It downloads CIFAR-10 (170 MB).\n");
  const config = makeConfig({ dataset: "shapes", init: "he", trainFraction: 0.9, numEpochs: 1, maxSteps: 150 });
  const view = { display: displayOn(process.stdout, "text"), dashboard: {} };
  await trainInProcess({ type: "new", config, out }, machineOptions(machine), view);
}
