/** The options of runs and machines on command lines, made from the table in options.ts. */

import {
  type Command,
  type CommandUnknownOpts,
  InvalidArgumentError,
  Option,
  type OptionValues,
} from "@commander-js/extra-typings";
import type { ExplicitOptions } from "./config.ts";
import type { MachineOptions } from "./machine.ts";
import { type OptionName, runOptions } from "./options.ts";

/** The options that a program has when it is parsed. */
export type OptionsOf<Program extends CommandUnknownOpts> = ReturnType<Program["opts"]>;

/**
 * Returns the arguments as commander is to see them: without the "--" that npm's habit puts after the command;
 * `--batch_size` as `--batch-size`; and `--gpu` with an index only where digits follow, so that it eats no file name.
 */
export function tidyArguments(argv: readonly string[]): string[] {
  const [command, ...rest] = argv;
  const words = command === undefined ? [] : [command, ...(rest[0] === "--" ? rest.slice(1) : rest)];
  return words.map((word, index) => {
    if (word === "--gpu" && !/^\d+$/.test(words[index + 1] ?? "")) return `--gpu=${ANY_GPU}`;
    return word.replace(/^--[a-z]+(_[a-z]+)+/, (name) => name.replaceAll("_", "-"));
  });
}

const ANY_GPU = "any";

/**
 * Adds every option of a run to a command, from the table in options.ts. The command's type does not have them: their
 * values are unchecked text until `makeConfig` reads them.
 */
export function addRunOptions<Program extends CommandUnknownOpts>(command: Program): Program {
  for (const { flags, help, default: value } of Object.values(runOptions)) {
    const shown = value === undefined || typeof value === "boolean" ? help : `${help} (default: ${value})`;
    command.addOption(new Option(flags, shown));
  }
  return command;
}

/** Picks the options that say where to compute from a command's parsed options. */
export function machineOptions({ backend, gpu, threads }: MachineOptions): MachineOptions {
  return { ...(backend && { backend }), ...(gpu !== undefined && { gpu }), ...(threads !== undefined && { threads }) };
}

/**
 * Returns the options that say where a resumed run computes: the given ones, then the saved ones. A demand for one kind
 * of device takes the place of a saved demand for another kind.
 *
 * @param threadsToKeep the threads that keep the run's bits, if neither the user nor the folder names any
 */
export function resumedMachine(
  saved: MachineOptions,
  explicit: MachineOptions,
  threadsToKeep?: number,
): MachineOptions {
  const device = explicit.backend === undefined && explicit.gpu === undefined ? saved : {};
  return machineOptions({ ...device, ...explicit, threads: explicit.threads ?? saved.threads ?? threadsToKeep });
}

/** Picks the run options that were given from a command's parsed options. */
export function explicitRunOptions(options: Record<string, unknown>): ExplicitOptions {
  const explicit: ExplicitOptions = {};
  for (const name of Object.keys(runOptions) as OptionName[]) {
    const isDefaultSwitch = runOptions[name].flags.startsWith("--no-") && options[name] === true;
    if (options[name] !== undefined && !isDefaultSwitch) explicit[name] = options[name];
  }
  return explicit;
}

/** Adds `--log` to a command. */
export function addLogOption<Args extends unknown[], Options extends OptionValues, Globals extends OptionValues>(
  command: Command<Args, Options, Globals>,
) {
  return command.addOption(
    new Option("--log <format>", "lines for people (text), or for programs: one JSON object a line (json)")
      .choices(["text", "json"])
      .default("text"),
  );
}

/** Adds the options that choose the device to a command. */
export function addMachineOptions<Args extends unknown[], Options extends OptionValues, Globals extends OptionValues>(
  command: Command<Args, Options, Globals>,
) {
  return command
    .addOption(new Option("--backend <name>", "force a backend").choices(["native", "webgpu", "wasm", "cpu"]))
    .addOption(
      new Option("--gpu [index]", "demand a GPU").argParser((text) => (text === ANY_GPU ? true : wholeNumber(text))),
    )
    .addOption(
      new Option(
        "--threads <n>",
        "threads for computing (default: all cores, or as many as the CPU quota pays for)",
      ).argParser(positiveNumber),
    );
}

/** Adds the options by which the batch follows the number of workers. */
export function addScalingOptions<Args extends unknown[], Options extends OptionValues, Globals extends OptionValues>(
  command: Command<Args, Options, Globals>,
) {
  return command
    .addOption(
      new Option("--batch-size-per-worker <samples>", "let the global batch be this times the workers").argParser(
        positiveNumber,
      ),
    )
    .addOption(
      new Option("--lr-scaling <how>", "with --batch-size-per-worker: linear multiplies --lr by the workers")
        .choices(["none", "linear"])
        .default("none"),
    );
}

/** Node's timers wait for 1 ms instead of longer than this. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Reads an option's whole number, 0 among them. */
export const wholeNumber = wholeNumberOf("a whole number", 0);

/** Reads an option's whole number of at least 1. */
export const positiveNumber = wholeNumberOf("a whole number of at least 1", 1);

/** Reads an option's port; 0 lets the system choose. */
export const portNumber = wholeNumberOf("a port from 0 to 65535", 0, 65_535);

/** Reads an option's time in ms, for which a timer waits. */
export const timerMs = wholeNumberOf(`a whole number from 1 to ${MAX_TIMER_MS}`, 1, MAX_TIMER_MS);

/** Makes the parser of an option whose value is a whole number within bounds. */
export function wholeNumberOf(expected: string, min: number, max: number = Number.MAX_SAFE_INTEGER) {
  return (text: string): number => {
    const number = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (number >= min && number <= max) return number;
    throw new InvalidArgumentError(`Expected ${expected}, got ${JSON.stringify(text.slice(0, 50))}.`);
  };
}
