import { hostname } from "node:os";
import { givenRunOptions, makeConfig, scaleForWorkers, tidyArguments, version } from "@lockstep/config";
import { type CoordinatorCommandOptions, coordinatorProgram } from "@lockstep/config/programs";
import { controlToken, dashboardLine, makeSite } from "@lockstep/dashboard";
import { announce } from "@lockstep/discovery";
import { LockstepError } from "@lockstep/errors";
import {
  Controls,
  displayOn,
  eventTeller,
  type Resources,
  stoppedStatus,
  tellFailure,
  withResources,
} from "@lockstep/run";
import { LiveRun } from "@lockstep/run/live";
import { assertPortFree } from "@lockstep/transport";
import type { Command } from "commander";

import { coordinate } from "../coordinator.ts";
import { newRun, resumedRun } from "../run-start.ts";
import { prepareEntrance } from "./entrance.ts";
import { addressesOf, authority, joiningLines } from "./joining-lines.ts";
import { refusalLog } from "./refusal-log.ts";
import { stoppedLine } from "./stopped-line.ts";

async function main(words: string[], program: Command, resources: Resources): Promise<void> {
  const options = program.opts<CoordinatorCommandOptions & Record<string, unknown>>();
  const { workers, heartbeatMs, stallMs, minWorkers, balance, keepOpen, resume, out, log } = options;
  if (minWorkers > workers) {
    const text = `Expected --min-workers to be at most --workers (${workers}), got ${minWorkers}`;
    throw new LockstepError("ERR_OPTION", `${text}; the run would never begin.`);
  }
  const given = scaleForWorkers(givenRunOptions(options), options);
  const display = displayOn(process.stdout, log);
  const warn = (line: string) => display.line(line, { level: "warn" });
  const { isTerminal } = display;
  const entrance = await prepareEntrance(options, workers, isTerminal);
  await assertPortFree(entrance.door);
  const live = new LiveRun();
  const tell = eventTeller(display, live);
  const controls = new Controls(live, tell);
  const control = controlToken();
  let listeningAt = entrance.door.port;
  const onListening = (port: number) => {
    listeningAt = port;
    const where = entrance.loopback ? "in other terminals of this machine" : "paste this on each of their machines";
    display.line(`waiting for ${workers} workers; ${where}:`);
    const addresses = addressesOf(entrance);
    const codeModel = start.model.kind === "code" ? start.config.model : undefined;
    const joining = { entrance, addresses, port, isTerminal, words, codeModel };
    for (const line of joiningLines(joining)) display.line(line);
    const url = `${entrance.fingerprint === undefined ? "http" : "https"}://${authority(addresses[0]!, port)}`;
    display.line(dashboardLine(url, isTerminal, { token: entrance.door.token, control }));
    if (entrance.loopback) return;
    const onProblem = (reason: string) => warn(`workers must be told the address: ${reason}`);
    const secure = entrance.fingerprint !== undefined;
    const announcement = announce({ port, name: hostname(), secure, onProblem });
    resources.add(announcement.close);
  };
  const onRefused = refusalLog((line) => tell(line, "refused"));
  const { onRequest, guards, close } = makeSite({
    live,
    desk: { token: control, command: async (it) => controls.take(it) },
  });
  resources.add(close);
  const door = { ...entrance.door, onRefused, onRequest, guards };
  const watching = { display, live, controls };
  const common = { workers, door, heartbeatMs, stallMs, minWorkers, balance, keepOpen, ...watching, onListening };
  const start =
    resume === undefined ? await newRun(makeConfig(given), out, display.line) : await resumedRun(resume, given, warn);
  const outcome = await coordinate({ ...common, ...start, version });
  if (outcome === "finished") return;
  if (outcome === "not begun") display.line("stopped before the run began");
  else {
    const line = stoppedLine(program, { dir: start.folder.dir, port: listeningAt, isTerminal });
    display.line(line);
  }
  process.exitCode = stoppedStatus();
}

const words = process.argv.slice(2);
const program = coordinatorProgram().parse(tidyArguments(["coordinator", ...words]).slice(1), { from: "user" });
const { log } = program.opts<CoordinatorCommandOptions>();
await withResources((resources) => main(words, program, resources)).catch((error) => tellFailure(error, log));
