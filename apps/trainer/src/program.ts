/** The command line: which commands there are, and their options. */
import {
  addLogOption,
  addMachineOptions,
  addRunOptions,
  addScalingOptions,
  portNumber,
  positiveNumber,
  runOptions,
  takePathsFromUser,
  typedOptions,
} from "@lockstep/config";
import { Command, Option } from "commander";

/** As @lockstep/dashboard has it, which is loaded where it is needed only. */
const DASHBOARD_PORT = 7080;

/** Each command's work is loaded when it is called, so that `--help` and a wrong flag answer at once. */
export function makeProgram(): Command {
  const program = new Command("lockstep")
    .description("Trains TensorFlow.js models on Node.")
    .showHelpAfterError("(add --help for the options)");

  addLogOption(addScalingOptions(addMachineOptions(addRunOptions(program.command("train")))))
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
    .addOption(
      new Option(
        "--port <n>",
        `where pages show the run (default: ${DASHBOARD_PORT}, or the next that is free)`,
      ).argParser(portNumber),
    )
    .option("--no-dashboard", "show the run nowhere but here")
    .action(async (options, command) => (await import("./commands/train.ts")).train(options, unkeptOptions(command)));

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
    .description(
      "train with one worker and with several, and compare: losses step by step, and every weight; unless told otherwise, 10 steps on shapes in slices of 8, without a test",
    )
    .addOption(new Option("--workers <n>", "how many are compared with one").argParser(positiveNumber).default(3))
    .option("--free-slices", "let the slices follow the workers, and allow for rounding")
    .option("--kill", "kill one of the several in the middle: the others must end with the same weights")
    .action(async (options) => (await import("./commands/verify.ts")).verify(options));

  program
    .command("export")
    .description("write the model of a run for other programs, or where its time went (trace)")
    .requiredOption("--run <dir>", "folder of the run")
    .addOption(
      new Option("--to <format>", "what to write")
        .choices(["pth", "safetensors", "tfjs", "onnx", "trace"])
        .makeOptionMandatory(),
    )
    .option("--out <path>", "a file, or a folder to write into (default: the folder export of the run's)")
    .action(async (options) => (await import("./commands/export.ts")).exportRun(options));

  program
    .command("playground")
    .description("classify pictures with the model of a run, on a page in the browser of this machine")
    .requiredOption("--run <dir>", "folder of the run")
    .addOption(
      new Option("--port <n>", "where to listen (default: 7090, or the next that is free)").argParser(portNumber),
    )
    .action(async (options) => (await import("./commands/playground.ts")).playground(options));

  program
    .command("dashboard")
    .description("show a run from its folder, on a page in the browser of this machine; several are compared")
    .requiredOption("--run <dir...>", "folder of the run; the first is shown in full, and followed if it goes on")
    .addOption(
      new Option("--port <n>", `where to listen (default: ${DASHBOARD_PORT}, or the next that is free)`).argParser(
        portNumber,
      ),
    )
    .action(async (options) => (await import("./commands/dashboard.ts")).dashboard(options));

  program
    .command("doctor")
    .description("look at this machine: what can train here, how fast, and what is missing")
    .option("--json", "for programs")
    .option("--fix", "install what is missing and can be installed, CUDA's libraries included")
    .action(async (options) => (await import("./commands/doctor.ts")).doctor(options));

  const bench = program.command("bench").description("measure against PyTorch, side by side");
  const measuring = (name: string, rounds: number) =>
    bench
      .command(name)
      .option("--rounds <n>", "how often each side runs, in turn with the other", positiveNumber, rounds)
      .option("--json <file>", "write the figures and all raw values there");
  const comparing = (name: string, rounds: number, steps: number) =>
    measuring(name, rounds)
      .option("--steps <n>", "measured steps of a side in a round", positiveNumber, steps)
      .option("--python <name|path>", "a Python with torch 2.13", "python3");
  comparing("step", 5, 20)
    .description("steps of alexnet-cifar10 at batch 32, in turn with PyTorch's")
    .option("--threads <n>", "threads of each side", positiveNumber, 2)
    .action(async (options) => (await import("@lockstep/bench/step")).benchStep(options));
  comparing("sync", 5, 20)
    .description("two workers on this machine, in turn with PyTorch's DDP, and what being distributed costs")
    .action(async (options) => (await import("@lockstep/bench/sync")).benchSync(options));
  comparing("network", 3, 10)
    .description("two workers behind links of a given rate, in turn with PyTorch's DDP; needs Linux, root and iproute2")
    .requiredOption("--rate <rate>", "of each link, in each direction: 1gbit, 100mbit, …")
    .addOption(new Option("--wire <type>", "numbers between machines").choices(["fp32", "bf16"]).default("fp32"))
    .action(async (options) => (await import("@lockstep/bench/network")).benchNetwork(options));
  measuring("scale", 3)
    .option("--steps <n>", "measured steps of a side in a round", positiveNumber, 5)
    .description("a coordinator with 2, 8, 32 and 64 workers that compute nothing, in turn with bare sockets")
    .action(async (options) => (await import("@lockstep/bench/scale")).benchScale(options));
  measuring("start", 3)
    .description("from a bare clone to the first step, and from a worker's start to joined")
    .addOption(
      new Option("--store <which>", "caches to start with: the machine's, or fresh (empty) ones")
        .choices(["machine", "fresh"])
        .default("machine"),
    )
    .action(async (options) => (await import("@lockstep/bench/start")).benchStart(options));
  bench
    .command("results")
    .description("the figures of several benches as a table, for docs/results.md")
    .requiredOption("--json <file...>", "what the other benches wrote")
    .option(
      "--bound <figure=number...>",
      "what a figure must come to: sync/step=1.1 (ratio), sync/cost=0.25 (at most)",
      [],
    )
    .action(async (options) => (await import("@lockstep/bench/results")).benchResults(options));

  return takePathsFromUser(program);
}

/** Returns the typed options of `train` that a run's folder does not keep: words for the line that goes on with the run. */
export function unkeptOptions(command: Command): string[] {
  const machine = ["backend", "gpu", "threads"];
  const kept = [...Object.keys(runOptions), ...machine, "batchSizePerWorker", "lrScaling", "resume", "out"];
  return typedOptions(command, kept);
}
