/** Checks that a model accepts the images of a data set and has an output for each of its classes. */

import { at, LockstepError } from "@lockstep/errors";
import type { RunConfig } from "./config.ts";

/** Properties of a data set that a model must match. */
interface DataFacts {
  classes: readonly string[];
  channels: number;
}

/** Returns the sizes to build a model with: those of the options, else those of the data set. */
export function modelSizes(
  { numClasses, inputChannels }: RunConfig,
  { classes, channels }: DataFacts,
): { numClasses: number; inputChannels: number } {
  return { numClasses: numClasses ?? classes.length, inputChannels: inputChannels ?? channels };
}

/**
 * Checks that a model fits the data set of a run.
 *
 * @throws LockstepError ERR_MODEL_DATA for a model with fewer outputs than there are classes, or other channels
 */
export function assertModelFitsData(
  config: RunConfig,
  { inputShape, numClasses }: { inputShape: readonly number[]; numClasses: number },
  facts: DataFacts,
): void {
  const classes = facts.classes.length;
  if (numClasses < classes) refuse(config, "outputs", "--num-classes", classes, numClasses);
  const channels = at(inputShape, -1);
  if (channels !== facts.channels) refuse(config, "input channels", "--input-channels", facts.channels, channels);
}

function refuse({ model, dataset }: RunConfig, what: string, option: string, expected: number, got: number): never {
  throw new LockstepError(
    "ERR_MODEL_DATA",
    `Expected a model with ${expected} ${what}, as ${dataset} has, but ${model} has ${got}. Pass ${option} ${expected}, or change the model.`,
  );
}
