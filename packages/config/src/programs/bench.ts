/** The command line of the benches: `bench step` and the others. */
import { type CommandUnknownOpts, Option } from "@commander-js/extra-typings";
import { positiveNumber } from "../command-line.ts";
import type { BenchCommands } from "./trainer-commands.ts";

/** Adds `bench` to a program. @param commands what each bench does; left out, none does anything */
export function addBenchCommands(program: CommandUnknownOpts, commands?: BenchCommands): void {
  const bench = program.command("bench").description("measure against PyTorch, side by side");
  comparing(bench, "step", { rounds: 5, steps: 20 })
    .description("steps of alexnet-cifar10 at batch 32, in turn with PyTorch's")
    .option("--threads <n>", "threads of each side", positiveNumber, 2)
    .action((options) => commands?.step(options));
  comparing(bench, "sync", { rounds: 5, steps: 20 })
    .description("two workers on this machine, in turn with PyTorch's DDP, and what being distributed costs")
    .action((options) => commands?.sync(options));
  comparing(bench, "network", { rounds: 3, steps: 10 })
    .description("two workers behind links of a given rate, in turn with PyTorch's DDP; needs Linux, root and iproute2")
    .requiredOption("--rate <rate>", "of each link, in each direction: 1gbit, 100mbit, …")
    .addOption(new Option("--wire <type>", "numbers between machines").choices(["fp32", "bf16"]).default("fp32"))
    .action((options) => commands?.network(options));
  addMachineBenches(bench, commands);
  bench
    .command("results")
    .description("the figures of several benches as a table, for docs/results.md")
    .requiredOption("--json <file...>", "what the other benches wrote")
    .option(
      "--bound <figure=number...>",
      "what a figure must come to: sync/step=1.1 (ratio), sync/cost=0.25 (at most)",
      [],
    )
    .action((options) => commands?.results(options));
}

/** Adds the benches that need no PyTorch. */
function addMachineBenches(bench: CommandUnknownOpts, commands?: BenchCommands): void {
  measuring(bench, "scale", 3)
    .option("--steps <n>", "measured steps of a side in a round", positiveNumber, 5)
    .description("a coordinator with 2, 8, 32 and 64 workers that compute nothing, in turn with bare sockets")
    .action((options) => commands?.scale(options));
  measuring(bench, "start", 3)
    .description("from a bare clone to the first step, and from a worker's start to joined")
    .addOption(
      new Option("--store <which>", "caches to start with: the machine's, or fresh (empty) ones")
        .choices(["machine", "fresh"])
        .default("machine"),
    )
    .action((options) => commands?.start(options));
}

/** Adds a bench that runs its sides in turn for some rounds. */
function measuring(bench: CommandUnknownOpts, name: string, rounds: number) {
  return bench
    .command(name)
    .option("--rounds <n>", "how often each side runs, in turn with the other", positiveNumber, rounds)
    .option("--json <file>", "write the figures and all raw values there");
}

/** Adds a bench that compares steps with PyTorch's. */
function comparing(bench: CommandUnknownOpts, name: string, { rounds, steps }: { rounds: number; steps: number }) {
  return measuring(bench, name, rounds)
    .option("--steps <n>", "measured steps of a side in a round", positiveNumber, steps)
    .option("--python <name|path>", "a Python with torch 2.13", "python3");
}
