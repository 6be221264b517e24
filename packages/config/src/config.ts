/** The configuration of a run: one typed object, printed at the start and saved in the run's folder. */
import { resolve } from "node:path";
import { at, excerpt, excerptOf, LockstepError } from "@lockstep/errors";
import { z } from "zod";
import { type OptionName, optionNames, runOptions } from "./options.ts";
import { isPath } from "./user-paths.ts";

/** Everything that determines what a run computes, but not which machine computes it. */
export type RunConfig = { [Name in OptionName]: z.infer<(typeof runOptions)[Name]["schema"]> };

/** Options that the user has set: text from the command line, or values from a file. */
export type ExplicitOptions = Partial<Record<OptionName, unknown>>;

/**
 * Returns the full configuration: defaults overridden by explicit options.
 *
 * @throws LockstepError ERR_OPTION that names the option, the expected value and the actual one
 */
export function makeConfig(explicit: ExplicitOptions): RunConfig {
  const unknown = Object.keys(explicit).find((name) => !(name in runOptions));
  if (unknown !== undefined) {
    throw new LockstepError(
      "ERR_OPTION",
      `Unknown option "${excerpt(unknown)}". Expected one of ${optionNames.join(", ")}.`,
    );
  }
  const entries = optionNames.map((name) => [
    name,
    explicit[name] === undefined ? runOptions[name].default : check(name, explicit[name]),
  ]);
  const config = Object.fromEntries(entries) as RunConfig;
  if (config.warmupEpochs > config.numEpochs) {
    throw new LockstepError(
      "ERR_OPTION",
      `Expected --warmup-epochs to be at most --num-epochs (${config.numEpochs}), got ${config.warmupEpochs}; lower it.`,
    );
  }
  return config;
}

/**
 * Returns the configuration of a resumed run: the saved one, overridden by explicit options that may change on resume.
 *
 * @throws LockstepError ERR_OPTION for an option that may not change
 */
export function resumeConfig(saved: RunConfig, explicit: ExplicitOptions): RunConfig {
  for (const name of optionNames) {
    if (explicit[name] === undefined || ("changeable" in runOptions[name] && runOptions[name].changeable)) continue;
    throw new LockstepError(
      "ERR_OPTION",
      `${flagOf(name)} cannot change on --resume: the run continues with ${JSON.stringify(saved[name]) ?? "its default"}. Omit it, or start a new run with --init-from.`,
    );
  }
  if (explicit.numEpochs !== undefined && saved.lrSchedule !== "constant") {
    throw new LockstepError(
      "ERR_OPTION",
      `--num-epochs cannot change on --resume with --lr-schedule ${saved.lrSchedule}, whose rates follow from it. Omit it.`,
    );
  }
  return makeConfig({
    ...saved,
    ...Object.fromEntries(Object.entries(explicit).filter(([, value]) => value !== undefined)),
  });
}

/** Makes the paths of a configuration absolute, so that the run can be resumed from any folder. */
export function withAbsolutePaths(config: RunConfig): RunConfig {
  return {
    ...config,
    model: isPath(config.model) ? resolve(config.model) : config.model,
    dataDir: config.dataDir && resolve(config.dataDir),
    initFrom: config.initFrom && resolve(config.initFrom),
  };
}

/** Returns the option's name on the command line: `--batch-size`. */
function flagOf(name: OptionName): string {
  return at(runOptions[name].flags.split(" "), 0);
}

function check(name: OptionName, value: unknown): unknown {
  const parsed = z.safeParse(runOptions[name].schema as z.ZodType, value);
  if (parsed.success) return parsed.data;
  const got = typeof value === "string" ? excerpt(value) : excerptOf(value);
  const example = runOptions[name].default;
  throw new LockstepError(
    "ERR_OPTION",
    `Expected ${flagOf(name)} to be ${runOptions[name].expected}, got ${got}${example === undefined ? "" : `; for example ${flagOf(name)} ${example}`}.`,
  );
}
