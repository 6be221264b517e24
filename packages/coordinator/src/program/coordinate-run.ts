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
  const { workers, heartbeatMs, stallMs, minWorkers, balance, keepOpen, resume, out } = options;
  const explicit = parseRunOptions(options);
  const display = displayOn(process.stdout, options.log);
  const endpoint = await prepareEndpoint(options, workers, display.isTerminal);
  await assertPortFree(endpoint.listen);
  const panel = openPanel(display);
  const { live, controls } = panel;
  const control = controlToken();
  const { onRequest, isProtected, close } = makeSite({
    live,
    control: { token: control, command: async (command) => controls.handle(command) },
  });
  resources.add(close);
  const request: RunRequest =
    resume === undefined
      ? { type: "new", config: makeConfig(explicit), out }
      : { type: "resume", dir: resume, explicit };
  const distributed = await openDistributedRun(request, display);
  let listeningAt = endpoint.listen.port;
  const onListening = (port: number) => {
    listeningAt = port;
    invite({ endpoint, distributed, workers, args, control }, port, display, resources);
  };
  const onRefused = refusalLog((line) => eventLogger(display, live)(line, "refused"));
  const listen = { ...endpoint.listen, onRefused, onRequest, isProtected };
  const limits = { workers, heartbeatMs, stallMs, minWorkers, balance, keepOpen };
  const outcome = await coordinate({ ...limits, distributed, panel, listen, version, onListening });
  if (outcome.end === "finished") return;
  const stopped = { dir: distributed.run.folder.dir, port: listeningAt, isTerminal: display.isTerminal };
  if (outcome.end === "not-begun") display.line("stopped before the run started");
  else display.line(stoppedCoordinatorLine(program, { ...stopped, done: outcome.stopped }));
  process.exitCode = outcome.status;
}
