/** Parses the options of `pnpm verify`: the training to repeat, and the number of workers. */
import { type ExplicitOptions, explicitRunOptions, machineOptions, makeConfig, type RunConfig } from "@lockstep/config";
import { type VerifyOptions, verifyDefaults } from "@lockstep/config/programs";
import { usableCores } from "@lockstep/engine/cores";
import { LockstepError } from "@lockstep/errors";

/** A training, for one worker and for several. */
export interface VerifiedTraining {
  /** Options of the run that are not at their defaults. */
  runOptions: ExplicitOptions;
  /** Complete configuration of the run. */
  config: RunConfig;
  /**
   * Machine options of each worker. All have the same number of threads, since sums in an operation may depend on it.
   */
  machine: { threads: number } & ReturnType<typeof machineOptions>;
}

/**
 * Returns the training that the options describe.
 *
 * @throws LockstepError ERR_OPTION for an invalid option, or a lossy wire format
 */
export function verifiedTraining(options: VerifyOptions & Record<string, unknown>): VerifiedTraining {
  const { workers, freeSlices = false } = options;
  const runOptions = trainingOptions(options, freeSlices);
  const config = makeConfig(runOptions);
  if (config.wire !== "fp32") {
    throw new LockstepError("ERR_OPTION", "Expected --wire fp32, got bf16, which is lossy. Omit the option.");
  }
  const { threads = Math.max(1, Math.floor(usableCores().usable / workers)), ...machine } = machineOptions(options);
  return { runOptions, config, machine: { ...machine, threads } };
}

function trainingOptions(options: Record<string, unknown>, freeSlices: boolean): ExplicitOptions {
  const all = { ...verifyDefaults(freeSlices), ...explicitRunOptions(options) };
  return freeSlices ? { ...all, sliceRows: undefined } : all;
}
