import { hostname } from "node:os";
import { type Announcement, announce } from "@lockstep/discovery";
import { LockstepError } from "@lockstep/errors";
import { DEFAULT_PORT } from "@lockstep/gradient-sync";
import {
  addRunOptions,
  addScalingOptions,
  displayOn,
  givenRunOptions,
  INTERRUPTED,
  makeConfig,
  positiveNumber,
  scaleForWorkers,
  tidyArguments,
  type WeakScaling,
  wholeNumber,
} from "@lockstep/run";
import { Command, Option } from "commander";
import packageJson from "../package.json" with { type: "json" };
import type { Balance } from "./balance.ts";
import { coordinate } from "./coordinator.ts";
import { newRun, resumedRun } from "./run-start.ts";

const LOOPBACK = ["127.0.0.1", "::1", "localhost"];

const program = addScalingOptions(addRunOptions(new Command("coordinator")))
  .description("gather workers, and train one model with all of them")
  .addOption(new Option("--workers <n>", "workers to wait for").argParser(positiveNumber).default(2))
  .option("--host <address>", "where to listen; another than loopback opens the run to the network", "127.0.0.1")
  .addOption(
    new Option("--port <n>", `where to listen (default: ${DEFAULT_PORT}, or the next that is free)`).argParser(
      wholeNumber,
    ),
  )
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
  .addOption(new Option("--resume <dir>", "continue the run in this folder").conflicts("out"))
  .option("--out <dir>", "folder of the run (default: runs/<date>-<model>)");

type Options = WeakScaling & {
  balance: Balance;
  host: string;
  port?: number;
  heartbeatMs: number;
  stallMs: number;
  minWorkers: number;
  resume?: string;
  out?: string;
};

async function main(): Promise<void> {
  program.parse(tidyArguments(["coordinator", ...process.argv.slice(2)]).slice(1), { from: "user" });
  const options = program.opts<Options & Record<string, unknown>>();
  const { workers, host, port, heartbeatMs, stallMs, minWorkers, balance, resume, out } = options;
  const given = scaleForWorkers(givenRunOptions(options), options);
  const display = displayOn(process.stdout);
  let announcement: Announcement | undefined;
  const onListening = (at: number) => {
    display.line(`waiting for ${workers} workers; on each of their machines, or here in other terminals:`);
    display.line(`  pnpm worker --coordinator ws://${host}:${at}`);
    if (LOOPBACK.includes(host)) {
      display.line("only this machine can join; to let others in, from a network that you trust:");
      display.line(`  ${["pnpm coordinator", ...process.argv.slice(2), "--host 0.0.0.0"].join(" ")}`);
    } else {
      const onProblem = (reason: string) => display.line(`workers must be told the address: ${reason}`);
      announcement = announce({ port: at, name: hostname(), secure: false, onProblem });
      display.line(`WARNING: anyone who reaches ${host}:${at} can join; there is no password yet.`);
    }
  };
  const common = {
    workers,
    host,
    port: port ?? DEFAULT_PORT,
    anyPort: port === undefined,
    heartbeatMs,
    stallMs,
    minWorkers,
    balance,
    display,
    onListening,
  };
  const start = resume === undefined ? await newRun(makeConfig(given), out) : await resumedRun(resume, given);
  const outcome = await coordinate({ ...common, ...start, version: packageJson.version }).finally(() =>
    announcement?.close(),
  );
  if (outcome === "interrupted") {
    display.line(`stopped; continue with: pnpm coordinator --resume ${start.folder.dir}`);
    process.exitCode = INTERRUPTED;
  }
}

try {
  await main();
} catch (error) {
  if (!(error instanceof LockstepError)) throw error;
  console.error(`${error.code}: ${error.message}`);
  process.exitCode = 1;
}
