import { hostname } from "node:os";
import { type Announcement, announce } from "@lockstep/discovery";
import { LockstepError } from "@lockstep/errors";
import {
  addRunOptions,
  addScalingOptions,
  collectSeldom,
  displayOn,
  givenRunOptions,
  INTERRUPTED,
  makeConfig,
  positiveNumber,
  scaleForWorkers,
  tidyArguments,
  type WeakScaling,
} from "@lockstep/run";
import { Command, Option } from "commander";
import packageJson from "../package.json" with { type: "json" };
import type { Balance } from "./balance.ts";
import { coordinate } from "./coordinator.ts";
import { addEntranceOptions, type EntranceOptions, prepareEntrance } from "./entrance.ts";
import { addressesOf, joiningLines } from "./joining-lines.ts";
import { refusalLog } from "./refusal-log.ts";
import { newRun, resumedRun } from "./run-start.ts";

const program = addEntranceOptions(addScalingOptions(addRunOptions(new Command("coordinator"))))
  .description("gather workers, and train one model with all of them")
  .addOption(new Option("--workers <n>", "workers to wait for").argParser(positiveNumber).default(2))
  .addOption(
    new Option("--heartbeat-ms <ms>", "a worker that is silent for three times this is lost")
      .argParser(positiveNumber)
      .default(1000),
  )
  .addOption(
    new Option("--stall-ms <ms>", "a worker that lives, but finishes nothing for so long, is dropped")
      .argParser(positiveNumber)
      .default(60_000),
  )
  .addOption(
    new Option("--min-workers <n>", "with fewer workers than this the run pauses").argParser(positiveNumber).default(1),
  )
  .addOption(
    new Option("--balance <how>", "slices by measured speed where workers differ by more than 15 %, or even")
      .choices(["speed", "even"])
      .default("speed"),
  )
  .option("--keep-open", "keep answering when the run is over, until Ctrl-C")
  .addOption(new Option("--resume <dir>", "continue the run in this folder").conflicts("out"))
  .option("--out <dir>", "folder of the run (default: runs/<date>-<model>)");

type Options = WeakScaling &
  EntranceOptions & {
    balance: Balance;
    heartbeatMs: number;
    stallMs: number;
    minWorkers: number;
    keepOpen?: boolean;
    resume?: string;
    out?: string;
  };

async function main(): Promise<void> {
  const words = process.argv.slice(2);
  program.parse(tidyArguments(["coordinator", ...words]).slice(1), { from: "user" });
  const options = program.opts<Options & Record<string, unknown>>();
  const { workers, heartbeatMs, stallMs, minWorkers, balance, keepOpen, resume, out } = options;
  if (minWorkers > workers) {
    const text = `Expected --min-workers to be at most --workers (${workers}), got ${minWorkers}`;
    throw new LockstepError("ERR_OPTION", `${text}; the run would never begin.`);
  }
  const given = scaleForWorkers(givenRunOptions(options), options);
  const display = displayOn(process.stdout);
  const isTerminal = process.stdout.isTTY;
  const entrance = await prepareEntrance(options, workers, isTerminal);
  let announcement: Announcement | undefined;
  const onListening = (port: number) => {
    const where = entrance.loopback ? "in other terminals of this machine" : "paste this on each of their machines";
    display.line(`waiting for ${workers} workers; ${where}:`);
    const addresses = addressesOf(entrance);
    for (const line of joiningLines({ entrance, addresses, port, isTerminal, words })) display.line(line);
    if (entrance.loopback) return;
    const onProblem = (reason: string) => display.line(`workers must be told the address: ${reason}`);
    announcement = announce({ port, name: hostname(), secure: entrance.fingerprint !== undefined, onProblem });
  };
  const door = { ...entrance.door, onRefused: refusalLog((line) => display.line(line)) };
  const common = { workers, door, heartbeatMs, stallMs, minWorkers, balance, keepOpen, display, onListening };
  const start = resume === undefined ? await newRun(makeConfig(given), out) : await resumedRun(resume, given);
  const outcome = await coordinate({ ...common, ...start, version: packageJson.version }).finally(() =>
    announcement?.close(),
  );
  if (outcome === "interrupted") {
    display.line(`stopped; continue with: pnpm coordinator --resume ${start.folder.dir}`);
    process.exitCode = INTERRUPTED;
  }
}

collectSeldom();
try {
  await main();
} catch (error) {
  if (!(error instanceof LockstepError)) throw error;
  console.error(`${error.code}: ${error.message}`);
  process.exitCode = 1;
}
