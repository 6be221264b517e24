/** The options of runs and machines on command lines, made from the table in options.ts. */
import { type Command, InvalidArgumentError, Option } from "commander";
import type { GivenOptions } from "./config.ts";
import { type OptionName, runOptions } from "./options.ts";
import type { MachineOptions } from "./run-file.ts";

/**
 * Arguments as commander is to see them: without the "--" that npm's habit puts after the command; `--batch_size` as
 * `--batch-size`; and `--gpu` with an index only where digits follow, so that it eats no file name.
 */
export function tidyArguments(given: readonly string[]): string[] {
  const [command, ...rest] = given;
  const words = command === undefined ? [] : [command, ...(rest[0] === "--" ? rest.slice(1) : rest)];
  return words.map((word, index) => {
    if (word === "--gpu" && !/^\d+$/.test(words[index + 1] ?? "")) return `--gpu=${ANY_GPU}`;
    return word.replace(/^--[a-z]+(_[a-z]+)+/, (name) => name.replaceAll("_", "-"));
  });
}

const ANY_GPU = "any";

/** Every option of a run, from the one table. */
export function addRunOptions(command: Command): Command {
  for (const { flags, help, default: value } of Object.values(runOptions)) {
    const shown = value === undefined || typeof value === "boolean" ? help : `${help} (default: ${value})`;
    command.addOption(new Option(flags, shown));
  }
  return command;
}

/** The options that say where to compute, among a command's parsed options. */
export function machineOptions({ backend, gpu, threads }: MachineOptions): MachineOptions {
  return { ...(backend && { backend }), ...(gpu !== undefined && { gpu }), ...(threads !== undefined && { threads }) };
}

/** The run options among a command's parsed options; only those that were given. */
export function givenRunOptions(options: Record<string, unknown>): GivenOptions {
  const given: GivenOptions = {};
  for (const name of Object.keys(runOptions) as OptionName[]) {
    const untouched = runOptions[name].flags.startsWith("--no-") && options[name] === true;
    if (options[name] !== undefined && !untouched) given[name] = options[name];
  }
  return given;
}

export function addLogOption(command: Command): Command {
  return command.addOption(
    new Option("--log <format>", "lines for people (text), or for programs: one JSON object a line (json)")
      .choices(["text", "json"])
      .default("text"),
  );
}

export function addMachineOptions(command: Command): Command {
  return command
    .addOption(new Option("--backend <name>", "force a backend").choices(["native", "webgpu", "wasm", "cpu"]))
    .addOption(
      new Option("--gpu [index]", "demand a GPU").argParser((text) => (text === ANY_GPU ? true : wholeNumber(text))),
    )
    .addOption(
      new Option(
        "--threads <n>",
        "threads for computing (default: all cores, or as many as the CPU quota pays for)",
      ).argParser(wholeNumber),
    );
}

/** How the batch follows the number of workers. */
export function addScalingOptions(command: Command): Command {
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

export function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError(`Expected a whole number, got ${text}.`);
  return Number(text);
}

export function positiveNumber(text: string): number {
  const number = wholeNumber(text);
  if (number === 0) throw new InvalidArgumentError("Expected a whole number of at least 1, got 0.");
  return number;
}
