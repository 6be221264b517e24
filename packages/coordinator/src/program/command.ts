import { hostname } from "node:os";
import { givenRunOptions, makeConfig, scaleForWorkers, tidyArguments, version } from "@lockstep/config";
import { type CoordinatorCommandOptions, coordinatorProgram } from "@lockstep/config/programs";
import { controlToken, dashboardLine, makeSite } from "@lockstep/dashboard";
import { announce } from "@lockstep/discovery";
import { LockstepError } from "@lockstep/errors";
import {
  displayOn,
  eventTeller,
  openPanel,
  type Resources,
  type RunRequest,
  tellFailure,
  withResources,
} from "@lockstep/run";
import { assertPortFree } from "@lockstep/transport";
import type { Command } from "commander";

import { coordinate } from "../coordinator.ts";
import { openDistributedRun } from "../open-run.ts";
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
  const panel = openPanel(display);
  const { live, controls } = panel;
  const control = controlToken();
  let listeningAt = entrance.door.port;
  const onListening = (port: number) => {
    listeningAt = port;
    const where = entrance.loopback ? "in other terminals of this machine" : "paste this on each of their machines";
    display.line(`waiting for ${workers} workers; ${where}:`);
    const addresses = addressesOf(entrance);
    const codeModel = distributed.model.kind === "code" ? distributed.run.config.model : undefined;
    const joining = { entrance, addresses, port, isTerminal, words, codeModel };
    for (const line of joiningLines(joining)) display.line(line);
    const url = `${entrance.fingerprint === undefined ? "http" : "https"}://${authority(addresses[0], port)}`;
    display.line(dashboardLine(url, isTerminal, { token: entrance.door.token, control }));
    if (entrance.loopback) return;
    const onProblem = (reason: string) => warn(`workers must be told the address: ${reason}`);
    const secure = entrance.fingerprint !== undefined;
    const announcement = announce({ port, name: hostname(), secure, onProblem });
    resources.add(announcement.close);
  };
  const onRefused = refusalLog((line) => eventTeller(display, live)(line, "refused"));
  const { onRequest, guards, close } = makeSite({
    live,
    desk: { token: control, command: async (it) => controls.take(it) },
  });
  resources.add(close);
  const door = { ...entrance.door, onRefused, onRequest, guards };
  const request: RunRequest =
    resume === undefined ? { type: "new", config: makeConfig(given), out } : { type: "resume", dir: resume, given };
  const distributed = await openDistributedRun(request, display);
  const limits = { workers, heartbeatMs, stallMs, minWorkers, balance, keepOpen };
  const outcome = await coordinate({ ...limits, distributed, panel, door, version, onListening });
  if (outcome.end === "finished") return;
  if (outcome.end === "not begun") display.line("stopped before the run began");
  else display.line(stoppedLine(program, { dir: distributed.run.folder.dir, port: listeningAt, isTerminal }));
  process.exitCode = outcome.status;
}

const words = process.argv.slice(2);
const program = coordinatorProgram().parse(tidyArguments(["coordinator", ...words]).slice(1), { from: "user" });
const { log } = program.opts<CoordinatorCommandOptions>();
await withResources((resources) => main(words, program, resources)).catch((error) => tellFailure(error, log));
