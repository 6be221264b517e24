/** The command line: which commands there are, and their options. */
import { addMachineOptions, addRunOptions, positiveNumber } from "@lockstep/run";
import { Command, Option } from "commander";

/** Each command's work is loaded when it is called, so that `--help` and a wrong flag answer at once. */
export function makeProgram(): Command {
  const program = new Command("lockstep")
    .description("Trains TensorFlow.js models on Node.")
    .showHelpAfterError("(add --help for the options)");

  addMachineOptions(addRunOptions(program.command("train")))
    .description("train a model on this machine")
    .addOption(
      new Option("--workers <n>", "processes to compute with, on this machine (default: 1)").argParser(positiveNumber),
    )
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

  addMachineOptions(addRunOptions(program.command("verify")))
    .description("train with one worker and with several, and compare: losses step by step, and every weight")
    .addOption(new Option("--workers <n>", "how many are compared with one").argParser(positiveNumber).default(3))
    .option("--free-slices", "let the slices follow the workers, and allow for rounding")
    .action(async (options) => (await import("./commands/verify.ts")).verify(options));

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
