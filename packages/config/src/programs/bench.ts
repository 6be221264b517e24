/** The command line of the benches: `bench step` and the others. */
import { type CommandUnknownOpts, Option } from "@commander-js/extra-typings";
import { positiveNumber } from "../command-line.ts";
import type { BenchCommands } from "./trainer-commands.ts";

/** Adds `bench` to a program. @param commands implementation of each bench. @default they do nothing */
export function addBenchCommands(program: CommandUnknownOpts, commands?: BenchCommands): void {
  const bench = program.command("bench").description("run a benchmark, in most cases against PyTorch");
  comparing(bench, "step", { rounds: 5, steps: 20 })
    .description("time steps of alexnet-cifar10 at batch size 32, alternating with PyTorch")
    .option("--threads <n>", "threads per side", positiveNumber, 2)
    .action((options) => commands?.step(options));
  comparing(bench, "sync", { rounds: 5, steps: 20 })
    .description("time two workers on this machine, alternating with PyTorch DDP, and the overhead of distribution")
    .action((options) => commands?.sync(options));
  comparing(bench, "network", { rounds: 3, steps: 10 })
    .description(
      "time two workers behind links of a given rate, alternating with PyTorch DDP; needs Linux, root and iproute2",
    )
    .requiredOption("--rate <rate>", "rate of each link, in each direction: 1gbit, 100mbit, …")
    .addOption(new Option("--wire <type>", "number format between machines").choices(["fp32", "bf16"]).default("fp32"))
    .action((options) => commands?.network(options));
  addMachineBenches(bench, commands);
  bench
    .command("results")
    .description("format the figures of several benches as a table, for docs/results.md")
    .requiredOption("--json <file...>", "files that the other benches wrote")
    .option("--bound <figure=number...>", "required figures: sync/step=1.1 (a ratio), sync/cost=0.25 (a maximum)", [])
    .action((options) => commands?.results(options));
}

/** Adds the benches that need no PyTorch. */
function addMachineBenches(bench: CommandUnknownOpts, commands?: BenchCommands): void {
  measuring(bench, "scale", 3)
    .option("--steps <n>", "measured steps per side and round", positiveNumber, 5)
    .description("time a coordinator with 2, 8, 32 and 64 workers that compute nothing, alternating with bare sockets")
    .action((options) => commands?.scale(options));
  measuring(bench, "start", 3)
    .description("time a bare clone until its first step, and a worker until it has joined")
    .addOption(
      new Option("--store <which>", "caches to start with: the machine's, or fresh (empty)")
        .choices(["machine", "fresh"])
        .default("machine"),
    )
    .action((options) => commands?.start(options));
}

/** Adds a bench that alternates between its sides for some rounds. */
function measuring(bench: CommandUnknownOpts, name: string, rounds: number) {
  return bench
    .command(name)
    .option("--rounds <n>", "rounds; in each, every side runs once", positiveNumber, rounds)
    .option("--json <file>", "file for the figures and all raw values");
}

/** Adds a bench that compares steps with PyTorch. */
function comparing(bench: CommandUnknownOpts, name: string, { rounds, steps }: { rounds: number; steps: number }) {
  return measuring(bench, name, rounds)
    .option("--steps <n>", "measured steps per side and round", positiveNumber, steps)
    .option("--python <name|path>", "Python with PyTorch 2.13", "python3");
}
