/** The command line: which commands there are, and their options. */
import { type GivenOptions, type MachineOptions, type OptionName, runOptions } from "@lockstep/run";
import { Command, InvalidArgumentError, Option } from "commander";

/** Each command's work is loaded when it is called, so that `--help` and a wrong flag answer at once. */
export function makeProgram(): Command {
  const program = new Command("lockstep")
    .description("Trains TensorFlow.js models on Node.")
    .showHelpAfterError("(add --help for the options)");

  addMachineOptions(addRunOptions(program.command("train")))
    .description("train a model on this machine")
    .option("--out <dir>", "folder of the run (default: runs/<date>-<model>)")
    .addOption(new Option("--resume <dir>", "continue the run in this folder, with its saved options").conflicts("out"))
    .addOption(
      new Option("--describe", "print the model's layers, sizes and parameters, and leave").conflicts([
        "out",
        "resume",
      ]),
    )
    .action(async (options) => (await import("./commands/train.ts")).train(options));

  addMachineOptions(program.command("quickstart"))
    .description("train the whole AlexNet on drawn shapes: a look at everything in a minute or two")
    .option("--out <dir>", "folder of the run (default: runs/<date>-<model>)")
    .action(async (options) => (await import("./commands/quickstart.ts")).quickstart(options));

  addMachineOptions(program.command("evaluate"))
    .description("test the model of a run on its test set")
    .requiredOption("--run <dir>", "folder of the run")
    .option("--data-dir <dir>", "where the data set's files are, if not where the run had them")
    .action(async (options) => (await import("./commands/evaluate.ts")).evaluate(options));

  addMachineOptions(program.command("predict"))
    .description("classify pictures (PNG or JPEG, any size) with the model of a run")
    .requiredOption("--run <dir>", "folder of the run")
    .argument("<image...>", "files to classify")
    .action(async (images, options) => (await import("./commands/predict.ts")).predict(images, options));

  program
    .command("export")
    .description("write the weights of a run for other programs")
    .requiredOption("--run <dir>", "folder of the run")
    .addOption(
      new Option("--to <format>", "what to write").choices(["pth", "safetensors", "tfjs"]).makeOptionMandatory(),
    )
    .option("--out <path>", "where to (default: in the folder export of the run's)")
    .action(async (options) => (await import("./commands/export.ts")).exportRun(options));

  program
    .command("doctor")
    .description("look at this machine: what can train here, how fast, and what is missing")
    .option("--json", "for programs")
    .option("--fix", "install what is missing and can be installed, CUDA's libraries included")
    .action(async (options) => (await import("./commands/doctor.ts")).doctor(options));

  const bench = program.command("bench").description("measure against PyTorch, side by side");
  bench
    .command("step")
    .description("steps of alexnet-cifar10 at batch 32, in turn with PyTorch's")
    .option("--rounds <n>", "how often both sides run", positiveNumber, 5)
    .option("--steps <n>", "measured steps of a side in a round", positiveNumber, 20)
    .option("--threads <n>", "threads of each side", positiveNumber, 2)
    .option("--python <path>", "a Python with torch 2.13", "python3")
    .option("--json <file>", "write the figures there")
    .action(async (options) => (await import("./commands/bench-step.ts")).benchStep(options));

  return program;
}

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

export function addMachineOptions(command: Command): Command {
  return command
    .addOption(new Option("--backend <name>", "force a backend").choices(["native", "webgpu", "wasm", "cpu"]))
    .addOption(
      new Option("--gpu [index]", "demand a GPU").argParser((text) => (text === ANY_GPU ? true : wholeNumber(text))),
    )
    .addOption(new Option("--threads <n>", "threads for computing (default: all cores)").argParser(wholeNumber));
}

function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError(`Expected a whole number, got ${text}.`);
  return Number(text);
}

function positiveNumber(text: string): number {
  const number = wholeNumber(text);
  if (number === 0) throw new InvalidArgumentError("Expected a whole number of at least 1, got 0.");
  return number;
}
