/** `pnpm train --workers N`: a coordinator in this process and N workers beside it, on this machine. */

import { type MachineOptions, resumedMachine, resumeLine, version } from "@lockstep/config";
import { coordinate, type RunStart } from "@lockstep/coordinator";
import { controlToken, dashboardLine, makeSite, placeOf } from "@lockstep/dashboard";
import { Controls, eventTeller, type LogFormat, stoppedStatus, threadsToKeep, withResources } from "@lockstep/run";
import { LiveRun } from "@lockstep/run/live";
import { type LocalWorkers, startLocalWorkers } from "@lockstep/worker";
import type { Shown } from "../dashboard-wish.ts";

const HOST = "127.0.0.1";
const LIMITS = { heartbeatMs: 1000, stallMs: 60_000, minWorkers: 1 };
/** How long workers may take to leave a run that is over. */
const LEAVE_MS = 10_000;
// Processes on one machine with as many threads each are alike: slices by speed would follow noise.

export interface Watching extends Shown {
  /** How the workers tell of what ends them. @default "text" */
  log?: LogFormat;
  /** Is given the workers' processes, and what is known of the run while it goes. */
  onStarted?: (workers: LocalWorkers, live: LiveRun) => void;
}

export async function trainTogether(
  workers: number,
  start: RunStart,
  given: MachineOptions,
  { display, dashboard, unkept = [], log, onStarted }: Watching,
): Promise<void> {
  const threads = threadsToKeep(start.before?.devices, { sliceRows: start.config.sliceRows, workers });
  const machine = resumedMachine(start.machine ?? {}, given, threads);
  let tellWorkers: (workers: LocalWorkers) => void = () => {};
  const started = new Promise<LocalWorkers>((resolve) => (tellWorkers = resolve));
  const cannotBegin = started.then(({ oneFailed }) => oneFailed);
  const cannotGoOn = started.then(({ allEnded }) => allEnded);
  for (const failure of [cannotBegin, cannotGoOn]) failure.catch(() => {}); // the coordinator may not wait for it
  const codeModel = start.model.kind === "code" ? start.config.model : undefined;
  const live = new LiveRun();
  const controls = new Controls(live, eventTeller(display, live));
  const control = controlToken();
  await withResources(async (resources) => {
    resources.add(display.close);
    const { onRequest, guards, close } = makeSite({
      live,
      desk: { token: control, command: async (command) => controls.take(command) },
    });
    resources.add(close);
    let graceMs = 0;
    const onListening = (port: number) => {
      const url = `http://${HOST}:${port}`;
      if (dashboard !== undefined) display.line(dashboardLine(url, display.isTerminal, { control }));
      const local = startLocalWorkers(workers, url.replace("http", "ws"), machine, { codeModel, log });
      resources.add(() => local.end(graceMs));
      tellWorkers(local);
      onStarted?.(local, live);
    };
    // On loopback, without token and TLS.
    const door = { host: HOST, port: 0, anyPort: true, ...(dashboard && { ...placeOf(dashboard), onRequest, guards }) };
    const common = { ...LIMITS, door, balance: "even" as const };
    const outcome = await coordinate({
      ...{
        ...common,
        ...start,
        machine,
        workers,
        display,
        live,
        controls,
        version,
        onListening,
        cannotBegin,
        cannotGoOn,
      },
    });
    if (outcome === "not begun") display.line("stopped before the run began");
    else graceMs = LEAVE_MS;
    if (outcome === "interrupted") {
      display.line(`stopped; continue with: ${resumeLine("pnpm train", start.folder.dir, unkept)}`);
    }
    if (outcome !== "finished") process.exitCode = stoppedStatus();
  });
}
