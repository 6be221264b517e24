/** Opens the run of a coordinator, listens, and trains with the workers that join. */
import { type ExplicitOptions, explicitRunOptions, makeConfig, scaleForWorkers, version } from "@lockstep/config";
import type { CoordinatorCommandOptions, CoordinatorProgram } from "@lockstep/config/programs";
import { controlToken, makeSite } from "@lockstep/dashboard";
import { LockstepError } from "@lockstep/errors";
import {
  displayOn,
  eventLogger,
  openPanel,
  type Resources,
  type RunPanel,
  type RunRequest,
  reportFailure,
  withResources,
} from "@lockstep/run";
import { assertPortFree } from "@lockstep/transport";
import { coordinate } from "../coordinator.ts";
import { openDistributedRun } from "../run/open-run.ts";
import { prepareEndpoint } from "./endpoint.ts";
import { invite } from "./invitation.ts";
import { refusalLog } from "./refusal-log.ts";
import { stoppedCoordinatorLine } from "./stopped-line.ts";

/** Returns the options of the run. @throws LockstepError ERR_OPTION */
function parseRunOptions(options: CoordinatorCommandOptions): ExplicitOptions {
  const { workers, minWorkers } = options;
  if (minWorkers > workers) {
    const text = `Expected --min-workers to be at most --workers (${workers}), got ${minWorkers}`;
    throw new LockstepError("ERR_OPTION", `${text}; the run would never start.`);
  }
  return scaleForWorkers(explicitRunOptions(options), options);
}

/** Coordinates a run, and reports the error if it fails. @param args the arguments that `program` has parsed */
export async function coordinateRun(args: string[], program: CoordinatorProgram): Promise<void> {
  const { log } = program.opts();
  await withResources((resources) => main(args, program, resources)).catch((error) => reportFailure(error, log));
}

async function main(args: string[], program: CoordinatorProgram, resources: Resources): Promise<void> {
  const options = program.opts();
  const { workers, heartbeatMs, stallMs, minWorkers, balance, keepOpen } = options;
  const explicit = parseRunOptions(options);
  const display = displayOn(process.stdout, options.log);
  const endpoint = await prepareEndpoint(options, workers, display.isTerminal);
  await assertPortFree(endpoint.listen);
  const panel = openPanel(display);
  const { control, ...site } = openSite(panel);
  const distributed = await openDistributedRun(requestOf(options, explicit), display);
  let listeningAt = endpoint.listen.port;
  const onListening = (port: number) => {
    listeningAt = port;
    invite({ endpoint, distributed, workers, args, control }, port, display, resources);
  };
  const onRefused = refusalLog((line) => eventLogger(display, panel.live)(line, "refused"));
  const listen = { ...endpoint.listen, onRefused, ...site };
  const outcome = await coordinate({
    workers,
    heartbeatMs,
    stallMs,
    minWorkers,
    balance,
    keepOpen,
    distributed,
    panel,
    listen,
    version,
    onListening,
  });
  if (outcome.end === "finished") return;
  if (outcome.end === "not-begun") display.line("stopped before the run started");
  else {
    const { dir } = distributed.run.folder;
    const stopped = { dir, done: outcome.stopped, port: listeningAt, isTerminal: display.isTerminal };
    display.line(stoppedCoordinatorLine(program, stopped));
  }
  process.exitCode = outcome.status;
}

/** Returns the request for a new run, or for the one to resume. */
function requestOf({ resume, out }: CoordinatorCommandOptions, explicit: ExplicitOptions): RunRequest {
  if (resume !== undefined) return { type: "resume", dir: resume, explicit };
  return { type: "new", config: makeConfig(explicit), out };
}

/** Makes the dashboard's site, whose open streams end with the server. */
function openSite({ live, controls }: RunPanel) {
  const control = controlToken();
  const { onRequest, isProtected, close } = makeSite({
    live,
    control: { token: control, command: async (command) => controls.handle(command) },
  });
  return { control, onRequest, isProtected, onClosing: close };
}
