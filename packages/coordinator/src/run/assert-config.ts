/** Checks that workers can accept a run's options, before any worker starts. */
import type { RunConfig } from "@lockstep/config";
import { assertNormalizeOption, datasetFacts } from "@lockstep/dataset";
import { LockstepError } from "@lockstep/errors";
import { MAX_CLASSES, MAX_SLICES } from "@lockstep/gradient-sync";

/** Throws for options that workers would refuse. @throws LockstepError ERR_OPTION or ERR_NORMALIZE */
export function assertWorkersAccept(config: RunConfig): void {
  const { batchSize, sliceRows, numClasses = 1, normalize, dataset } = config;
  assertNormalizeOption(normalize, datasetFacts(dataset).channels);
  const slices = sliceRows === undefined ? 1 : Math.ceil(batchSize / sliceRows);
  if (slices > MAX_SLICES) {
    const least = Math.ceil(batchSize / MAX_SLICES);
    const text = `Expected --slice-rows to cut a batch of ${batchSize} into at most ${MAX_SLICES} slices, got ${slices}`;
    throw new LockstepError("ERR_OPTION", `${text}; give --slice-rows ${least} or more.`);
  }
  if (numClasses <= MAX_CLASSES) return;
  const text = `Expected --num-classes to be at most ${MAX_CLASSES} with workers, got ${numClasses}`;
  throw new LockstepError("ERR_OPTION", `${text}; use fewer classes, or train with \`pnpm train\` on one machine.`);
}
