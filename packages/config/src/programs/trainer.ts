/** The command line of the trainer: its commands and their options. */
import { Command, type CommandUnknownOpts, Option } from "@commander-js/extra-typings";
import {
  addLogOption,
  addMachineOptions,
  addRunOptions,
  addScalingOptions,
  portNumber,
  positiveNumber,
  severalWorkers,
} from "../command-line.ts";
import { runOptions } from "../options.ts";
import { explicitFlags } from "../resume-line.ts";
import { addBenchCommands } from "./bench.ts";
import { finishProgram } from "./finish-program.ts";
import type { TrainerCommands } from "./trainer-commands.ts";
import { verifyDefaultTexts } from "./verify-defaults.ts";

/** First port of the dashboard, and of the playground; others follow if it is taken. */
const PORTS = { dashboard: 7080, playground: 7090 };

const FOLDER = "folder of the run";
const OUT = ["--out <dir>", "folder of the run (default: runs/<date>-<model>)"] as const;

/** Makes the program `lockstep`. @param commands implementation of each command. @default they do nothing */
export function trainerProgram(commands?: TrainerCommands): Command {
  const program = new Command("lockstep").description("train TensorFlow.js models on Node");
  addTrain(program, commands);
  addQuickstart(program, commands);
  addEvaluate(program, commands);
  addPredict(program, commands);
  addVerify(program, commands);
  addExport(program, commands);
  addPlayground(program, commands);
  addDashboard(program, commands);
  addDoctor(program, commands);
  addBenchCommands(program, commands?.bench);
  return finishProgram(program);
}

/**
 * Returns the flags of `train` that a run's folder does not save: they must be repeated to resume the run.
 */
export function unsavedFlags(command: CommandUnknownOpts): string[] {
  const machine = ["backend", "gpu", "threads"];
  const saved = [...Object.keys(runOptions), ...machine, "batchSizePerWorker", "lrScaling", "resume", "out"];
  return explicitFlags(command, saved);
}

function addTrain(program: CommandUnknownOpts, commands?: TrainerCommands): void {
  addLogOption(addScalingOptions(addMachineOptions(addRunOptions(program.command("train")))))
    .description("train a model on this machine")
    .addOption(new Option("--workers <n>", "worker processes on this machine (default: 1)").argParser(positiveNumber))
    .option(...OUT)
    .addOption(new Option("--resume <dir>", "folder of the run to continue, with its saved options").conflicts("out"))
    .addOption(
      new Option("--describe", "print the model's layers, shapes and parameters, and exit").conflicts([
        "out",
        "resume",
      ]),
    )
    .addOption(portOption("port of the dashboard", PORTS.dashboard))
    .option("--no-dashboard", "do not serve the dashboard")
    .action((options, command) => commands?.train(options, unsavedFlags(command)));
}

function addQuickstart(program: CommandUnknownOpts, commands?: TrainerCommands): void {
  addMachineOptions(program.command("quickstart"))
    .description("train AlexNet on generated shapes: a tour of everything in a minute or two, or many on WebAssembly")
    .option(...OUT)
    .action((options) => commands?.quickstart(options));
}

function addEvaluate(program: CommandUnknownOpts, commands?: TrainerCommands): void {
  addMachineOptions(program.command("evaluate"))
    .description("test the model of a run on its test set")
    .requiredOption("--run <dir>", FOLDER)
    .option("--data-dir <dir>", "folder of the data set's files (default: the run's)")
    .action((options) => commands?.evaluate(options));
}

function addPredict(program: CommandUnknownOpts, commands?: TrainerCommands): void {
  addMachineOptions(program.command("predict"))
    .description("classify images (PNG or JPEG, any size) with the model of a run")
    .requiredOption("--run <dir>", FOLDER)
    .argument("<image...>", "image files to classify")
    .action((images, options) => commands?.predict(images, options));
}

function addVerify(program: CommandUnknownOpts, commands?: TrainerCommands): void {
  addMachineOptions(addRunOptions(program.command("verify"), verifyDefaultTexts))
    .description(
      "train with one worker and with several, and compare the loss of each step and every weight; without a test, unless --test is given",
    )
    .addOption(
      new Option("--workers <n>", "number of workers to compare with one").argParser(severalWorkers).default(3),
    )
    .option("--free-slices", "let the slices depend on the workers, and allow for rounding")
    .option("--kill", "kill one worker halfway: the others must end with the same weights")
    .action((options) => commands?.verify(options));
}

function addExport(program: CommandUnknownOpts, commands?: TrainerCommands): void {
  program
    .command("export")
    .description("write the model of a run for other programs, or a trace of where its time went")
    .requiredOption("--run <dir>", FOLDER)
    .addOption(
      new Option("--to <format>", "format to write")
        .choices(["pth", "safetensors", "tfjs", "onnx", "trace"])
        .makeOptionMandatory(),
    )
    .option("--out <path>", "file or folder to write to (default: the folder export in the run's folder)")
    .action((options) => commands?.export(options));
}

function addPlayground(program: CommandUnknownOpts, commands?: TrainerCommands): void {
  program
    .command("playground")
    .description("classify images with the model of a run, on a page in this machine's browser")
    .requiredOption("--run <dir>", FOLDER)
    .addOption(portOption("port to listen on", PORTS.playground))
    .action((options) => commands?.playground(options));
}

function addDashboard(program: CommandUnknownOpts, commands?: TrainerCommands): void {
  program
    .command("dashboard")
    .description("show a run from its folder, on a page in this machine's browser; several runs are compared")
    .requiredOption("--run <dir...>", "folder of the run; the first is shown in full, and followed while it is running")
    .addOption(portOption("port to listen on", PORTS.dashboard))
    .action((options) => commands?.dashboard(options));
}

function addDoctor(program: CommandUnknownOpts, commands?: TrainerCommands): void {
  program
    .command("doctor")
    .description("inspect this machine: what can train here, how fast, and what is missing")
    .option("--json", "print JSON")
    .option("--fix", "install what is missing, including CUDA libraries")
    .action((options) => commands?.doctor(options));
}

/** Returns a port option whose default is the first free port from `first` on. */
function portOption(purpose: string, first: number) {
  return new Option("--port <n>", `${purpose} (default: ${first}, or the next free one)`).argParser(portNumber);
}
