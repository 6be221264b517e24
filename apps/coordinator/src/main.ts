import { hostname } from "node:os";
import { type Announcement, announce } from "@lockstep/discovery";
import { LockstepError } from "@lockstep/errors";
import {
  collectSeldom,
  displayOn,
  givenRunOptions,
  INTERRUPTED,
  makeConfig,
  scaleForWorkers,
  tidyArguments,
} from "@lockstep/run";
import packageJson from "../package.json" with { type: "json" };
import { coordinate } from "./coordinator.ts";
import { prepareEntrance } from "./entrance.ts";
import { addressesOf, joiningLines } from "./joining-lines.ts";
import { type CommandOptions, makeProgram } from "./program.ts";
import { refusalLog } from "./refusal-log.ts";
import { newRun, resumedRun } from "./run-start.ts";

async function main(): Promise<void> {
  const words = process.argv.slice(2);
  const program = makeProgram().parse(tidyArguments(["coordinator", ...words]).slice(1), { from: "user" });
  const options = program.opts<CommandOptions & Record<string, unknown>>();
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
