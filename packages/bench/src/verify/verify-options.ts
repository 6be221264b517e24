/** The options of `pnpm verify`: which training is done twice, and with how many workers. */
import { type ExplicitOptions, explicitRunOptions, machineOptions, makeConfig, type RunConfig } from "@lockstep/config";
import type { VerifyOptions } from "@lockstep/config/programs";
import { usableCores } from "@lockstep/engine/cores";
import { LockstepError } from "@lockstep/errors";

const DEFAULTS = { dataset: "shapes", maxSteps: "10", test: false, trainFraction: "1" };
/** Rounding needs some steps to show. */
const FREE_DEFAULTS = { ...DEFAULTS, maxSteps: "50" };
const SLICE_ROWS = 8;

/** One training, for one worker and for several. */
export interface VerifiedTraining {
  /** The options of the run that differ from their defaults. */
  runOptions: ExplicitOptions;
  /** The whole configuration. */
  config: RunConfig;
  /** Where each worker computes; all have as many threads, because sums inside one operation may depend on them. */
  machine: { threads: number } & ReturnType<typeof machineOptions>;
}

/**
 * Works out the training that the options name, before anything starts.
 *
 * @throws LockstepError ERR_OPTION for a wrong option, fewer than two workers, or a wire that loses bits
 */
export function verifiedTraining(options: VerifyOptions & Record<string, unknown>): VerifiedTraining {
  const { workers, freeSlices = false } = options;
  if (workers < 2) throw new LockstepError("ERR_OPTION", `Expected --workers to be at least 2, got ${workers}.`);
  const runOptions = trainingOptions(options, freeSlices);
  const config = makeConfig(runOptions);
  if (config.wire !== "fp32") {
    throw new LockstepError("ERR_OPTION", "Expected --wire fp32 to verify, got bf16, which is lossy; leave it out.");
  }
  const { threads = Math.max(1, Math.floor(usableCores().usable / workers)), ...machine } = machineOptions(options);
  return { runOptions, config, machine: { ...machine, threads } };
}

function trainingOptions(options: Record<string, unknown>, freeSlices: boolean): ExplicitOptions {
  const typed = explicitRunOptions(options);
  if (freeSlices) return { ...FREE_DEFAULTS, ...typed, sliceRows: undefined };
  return { ...DEFAULTS, ...typed, sliceRows: typed.sliceRows ?? String(SLICE_ROWS) };
}
