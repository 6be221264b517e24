/** The options that several commands share: those of a run, from the table in options.ts, and those of the machine. */

import {
  type Command,
  type CommandUnknownOpts,
  InvalidArgumentError,
  Option,
  type OptionValues,
} from "@commander-js/extra-typings";
import type { ExplicitOptions } from "./config.ts";
import type { MachineOptions } from "./machine.ts";
import { type OptionName, optionNames, type RunOption, runOptions } from "./options.ts";

/** The options that a program has when it is parsed. */
export type OptionsOf<Program extends CommandUnknownOpts> = ReturnType<Program["opts"]>;

/**
 * Normalizes command-line arguments for commander: removes the "--" that npm puts after the command, writes
 * `--batch_size` as `--batch-size`, and lets `--gpu` take an index only where digits follow, never a file name.
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
 *
 * @param defaults the command's own defaults, for its help. @default those of the table
 */
export function addRunOptions<Program extends CommandUnknownOpts>(
  command: Program,
  defaults: Partial<Record<OptionName, string>> = {},
): Program {
  for (const name of optionNames) {
    const { flags, help, opposite, default: tableDefault }: RunOption<unknown> = runOptions[name];
    if (opposite !== undefined) command.addOption(new Option(opposite.flags, opposite.help));
    command.addOption(new Option(flags, withDefault(help, defaults[name] ?? tableDefault)));
  }
  return command;
}

/** Returns a help text that ends with the default; a switch states none, unless a command has its own. */
function withDefault(help: string, value: unknown): string {
  if (value === undefined || typeof value === "boolean") return help;
  return `${help.replace(/ \(default: .*\)$/, "")} (default: ${value})`;
}

/** Returns the machine options among a command's parsed options. */
export function machineOptions({ backend, gpu, threads }: MachineOptions): MachineOptions {
  return { ...(backend && { backend }), ...(gpu !== undefined && { gpu }), ...(threads !== undefined && { threads }) };
}

/**
 * Returns the machine options of a resumed run: explicit options override saved ones. An explicit choice of device
 * replaces the saved choice as a whole.
 *
 * @param threadsToKeep number of threads that keeps the run's bits, used if neither the user nor the folder sets one
 */
export function resumedMachine(
  saved: MachineOptions,
  explicit: MachineOptions,
  threadsToKeep?: number,
): MachineOptions {
  const device = explicit.backend === undefined && explicit.gpu === undefined ? saved : {};
  return machineOptions({ ...device, ...explicit, threads: explicit.threads ?? saved.threads ?? threadsToKeep });
}

/** Returns the run options that the user has set, among a command's parsed options. */
export function explicitRunOptions(options: Record<string, unknown>): ExplicitOptions {
  const explicit: ExplicitOptions = {};
  for (const name of optionNames) {
    const { flags, opposite }: RunOption<unknown> = runOptions[name];
    const isDefaultSwitch = flags.startsWith("--no-") && opposite === undefined && options[name] === true;
    if (options[name] !== undefined && !isDefaultSwitch) explicit[name] = options[name];
  }
  return explicit;
}

/** Adds `--log` to a command. */
export function addLogOption<Args extends unknown[], Options extends OptionValues, Globals extends OptionValues>(
  command: Command<Args, Options, Globals>,
) {
  return command.addOption(
    new Option("--log <format>", "log format: text, or json (one JSON object per line)")
      .choices(["text", "json"])
      .default("text"),
  );
}

/** Adds the options that choose the device to a command. */
export function addMachineOptions<Args extends unknown[], Options extends OptionValues, Globals extends OptionValues>(
  command: Command<Args, Options, Globals>,
) {
  return command
    .addOption(new Option("--backend <name>", "backend to use").choices(["native", "webgpu", "wasm", "cpu"]))
    .addOption(
      new Option("--gpu [index]", "require a GPU, or the GPU with this index").argParser((text) =>
        text === ANY_GPU ? true : wholeNumber(text),
      ),
    )
    .addOption(
      new Option(
        "--threads <n>",
        "threads to compute with (default: all cores, or as many as the CPU quota allows)",
      ).argParser(positiveNumber),
    );
}

/** Adds the options that scale the global batch with the number of workers. */
export function addScalingOptions<Args extends unknown[], Options extends OptionValues, Globals extends OptionValues>(
  command: Command<Args, Options, Globals>,
) {
  return command
    .addOption(
      new Option(
        "--batch-size-per-worker <samples>",
        "samples per worker; the global batch is this times the number of workers",
      ).argParser(positiveNumber),
    )
    .addOption(
      new Option(
        "--lr-scaling <how>",
        "scaling of --lr with --batch-size-per-worker: none, or linear (times the number of workers)",
      )
        .choices(["none", "linear"])
        .default("none"),
    );
}

/** Longest delay of Node's timers; a longer one becomes 1 ms. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Parses an option's whole number, including 0. */
export const wholeNumber = wholeNumberOf("a whole number", 0);

/** Parses an option's whole number of at least 1. */
export const positiveNumber = wholeNumberOf("a whole number of at least 1", 1);

/** Parses a number of workers that is compared with one. */
export const severalWorkers = wholeNumberOf("a whole number of at least 2", 2);

/** Parses an option's port; 0 lets the system choose. */
export const portNumber = wholeNumberOf("a port from 0 to 65535", 0, 65_535);

/** Parses an option's duration of a timer, in ms. */
export const timerMs = wholeNumberOf(`a whole number from 1 to ${MAX_TIMER_MS}`, 1, MAX_TIMER_MS);

/** Returns a parser for an option whose value is a whole number from `min` to `max`. */
export function wholeNumberOf(expected: string, min: number, max: number = Number.MAX_SAFE_INTEGER) {
  return (text: string): number => {
    const number = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (number >= min && number <= max) return number;
    throw new InvalidArgumentError(`Expected ${expected}, got ${JSON.stringify(text.slice(0, 50))}.`);
  };
}
