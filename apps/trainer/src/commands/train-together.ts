/** `pnpm train --workers N`: a coordinator in this process and N workers beside it, on this machine. */
import { coordinate, type RunStart } from "@lockstep/coordinator";
import { controlToken, dashboardLine, makeSite, placeOf } from "@lockstep/dashboard";
import {
  Controls,
  eventTeller,
  INTERRUPTED,
  type LogFormat,
  type MachineOptions,
  machineOptions,
  threadsToKeep,
} from "@lockstep/run";
import { LiveRun } from "@lockstep/run/live";
import type { Shown } from "../dashboard-wish.ts";
import { type LocalWorkers, startLocalWorkers } from "../local-workers.ts";
import { version } from "../version.ts";

const HOST = "127.0.0.1";
const LIMITS = { heartbeatMs: 1000, stallMs: 60_000, minWorkers: 1 };
// Processes on one machine with as many threads each are alike: slices by speed would follow noise.

export interface Watching extends Shown {
  /** How the workers tell of what ends them. @default "text" */
  log?: LogFormat;
  /** Given the workers' processes. */
  onStarted?: (workers: LocalWorkers) => void;
}

export async function trainTogether(
  workers: number,
  start: RunStart,
  given: MachineOptions,
  { display, dashboard, log, onStarted }: Watching,
): Promise<void> {
  const threads = threadsToKeep(start.before?.devices, { sliceRows: start.config.sliceRows, workers });
  const machine = machineOptions({ threads, ...start.machine, ...given });
  let ended: Promise<void> | undefined;
  let tellWorkers: (workers: LocalWorkers) => void = () => {};
  const started = new Promise<LocalWorkers>((resolve) => (tellWorkers = resolve));
  const codeModel = start.model.kind === "code" ? start.config.model : undefined;
  const live = new LiveRun();
  const controls = new Controls(live, eventTeller(display, live));
  const control = controlToken();
  const { onRequest, guards, close } = makeSite({
    live,
    desk: { token: control, command: async (command) => controls.take(command) },
  });
  const onListening = (port: number) => {
    const url = `http://${HOST}:${port}`;
    if (dashboard !== undefined) display.line(dashboardLine(url, display.isTerminal, { control }));
    const local = startLocalWorkers(workers, url.replace("http", "ws"), machine, { codeModel, log });
    ended = local.ended;
    tellWorkers(local);
    onStarted?.(local);
  };
  // On loopback, without token and TLS.
  const door = { host: HOST, port: 0, anyPort: true, ...(dashboard && { ...placeOf(dashboard), onRequest, guards }) };
  const common = { ...LIMITS, door, balance: "even" as const };
  try {
    const outcome = await coordinate({
      ...{ ...common, ...start, machine, workers, display, live, controls, version, onListening },
      cannotBegin: started.then(({ oneFailed }) => oneFailed),
      cannotGoOn: started.then(({ allEnded }) => allEnded),
    });
    if (outcome === "interrupted") {
      display.line(`stopped; continue with: pnpm train --workers ${workers} --resume ${start.folder.dir}`);
      process.exitCode = INTERRUPTED;
    }
  } finally {
    close();
    display.close();
    await ended;
  }
}
