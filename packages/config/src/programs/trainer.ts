/** The command line of the trainer: which commands there are, and their options. */
import { Command, type CommandUnknownOpts, Option } from "@commander-js/extra-typings";
import {
  addLogOption,
  addMachineOptions,
  addRunOptions,
  addScalingOptions,
  portNumber,
  positiveNumber,
} from "../command-line.ts";
import { runOptions } from "../options.ts";
import { explicitFlags } from "../resume-line.ts";
import { resolveUserPaths } from "../user-paths.ts";
import { addBenchCommands } from "./bench.ts";
import type { TrainerCommands } from "./trainer-commands.ts";
import { throwUsageErrors } from "./usage-errors.ts";

/** The port of @lockstep/dashboard, which is loaded only where it is needed. */
const DASHBOARD_PORT = 7080;

/** Options of the commands that read a run or make one. */
const FOLDER = "folder of the run";
const OUT = ["--out <dir>", "folder of the run (default: runs/<date>-<model>)"] as const;

/** Makes the program `lockstep`. @param commands what each command does; left out, none does anything */
export function trainerProgram(commands?: TrainerCommands): Command {
  const program = new Command("lockstep").description("Trains TensorFlow.js models on Node.");
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
  return throwUsageErrors(resolveUserPaths(program));
}

/**
 * Returns the typed options of `train` that a run's folder does not keep: words for the line that goes on with the run.
 */
export function unsavedFlags(command: CommandUnknownOpts): string[] {
  const machine = ["backend", "gpu", "threads"];
  const kept = [...Object.keys(runOptions), ...machine, "batchSizePerWorker", "lrScaling", "resume", "out"];
  return explicitFlags(command, kept);
}

function addTrain(program: CommandUnknownOpts, commands?: TrainerCommands): void {
  addLogOption(addScalingOptions(addMachineOptions(addRunOptions(program.command("train")))))
    .description("train a model on this machine")
    .addOption(
      new Option("--workers <n>", "processes to compute with, on this machine (default: 1)").argParser(positiveNumber),
    )
    .option(...OUT)
    .addOption(new Option("--resume <dir>", "continue the run in this folder, with its saved options").conflicts("out"))
    .addOption(
      new Option("--describe", "print the model's layers, sizes and parameters, and leave").conflicts([
        "out",
        "resume",
      ]),
    )
    .addOption(portOption("where pages show the run", DASHBOARD_PORT))
    .option("--no-dashboard", "show the run nowhere but here")
    .action((options, command) => commands?.train(options, unsavedFlags(command)));
}

function addQuickstart(program: CommandUnknownOpts, commands?: TrainerCommands): void {
  addMachineOptions(program.command("quickstart"))
    .description("train the whole AlexNet on drawn shapes: a look at everything in a minute or two")
    .option(...OUT)
    .action((options) => commands?.quickstart(options));
}

function addEvaluate(program: CommandUnknownOpts, commands?: TrainerCommands): void {
  addMachineOptions(program.command("evaluate"))
    .description("test the model of a run on its test set")
    .requiredOption("--run <dir>", FOLDER)
    .option("--data-dir <dir>", "where the data set's files are, if not where the run had them")
    .action((options) => commands?.evaluate(options));
}

function addPredict(program: CommandUnknownOpts, commands?: TrainerCommands): void {
  addMachineOptions(program.command("predict"))
    .description("classify pictures (PNG or JPEG, any size) with the model of a run")
    .requiredOption("--run <dir>", FOLDER)
    .argument("<image...>", "files to classify")
    .action((images, options) => commands?.predict(images, options));
}

function addVerify(program: CommandUnknownOpts, commands?: TrainerCommands): void {
  addMachineOptions(addRunOptions(program.command("verify")))
    .description(
      "train with one worker and with several, and compare: losses step by step, and every weight; unless told otherwise, 10 steps on shapes in slices of 8, without a test",
    )
    .addOption(new Option("--workers <n>", "how many are compared with one").argParser(positiveNumber).default(3))
    .option("--free-slices", "let the slices follow the workers, and allow for rounding")
    .option("--kill", "kill one of the several in the middle: the others must end with the same weights")
    .action((options) => commands?.verify(options));
}

function addExport(program: CommandUnknownOpts, commands?: TrainerCommands): void {
  program
    .command("export")
    .description("write the model of a run for other programs, or where its time went (trace)")
    .requiredOption("--run <dir>", FOLDER)
    .addOption(
      new Option("--to <format>", "what to write")
        .choices(["pth", "safetensors", "tfjs", "onnx", "trace"])
        .makeOptionMandatory(),
    )
    .option("--out <path>", "a file, or a folder to write into (default: the folder export of the run's)")
    .action((options) => commands?.export(options));
}

function addPlayground(program: CommandUnknownOpts, commands?: TrainerCommands): void {
  program
    .command("playground")
    .description("classify pictures with the model of a run, on a page in the browser of this machine")
    .requiredOption("--run <dir>", FOLDER)
    .addOption(portOption("where to listen", 7090))
    .action((options) => commands?.playground(options));
}

function addDashboard(program: CommandUnknownOpts, commands?: TrainerCommands): void {
  program
    .command("dashboard")
    .description("show a run from its folder, on a page in the browser of this machine; several are compared")
    .requiredOption("--run <dir...>", "folder of the run; the first is shown in full, and followed if it goes on")
    .addOption(portOption("where to listen", DASHBOARD_PORT))
    .action((options) => commands?.dashboard(options));
}

function addDoctor(program: CommandUnknownOpts, commands?: TrainerCommands): void {
  program
    .command("doctor")
    .description("look at this machine: what can train here, how fast, and what is missing")
    .option("--json", "for programs")
    .option("--fix", "install what is missing and can be installed, CUDA's libraries included")
    .action((options) => commands?.doctor(options));
}

/** Returns the option of a port that is found by itself if it is not given. */
function portOption(purpose: string, first: number) {
  return new Option("--port <n>", `${purpose} (default: ${first}, or the next that is free)`).argParser(portNumber);
}
