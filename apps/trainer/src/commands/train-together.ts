/** `pnpm train --workers N`: a coordinator in this process and N workers beside it, on this machine. */
import { type MachineOptions, resumedMachine, resumeLine, version } from "@lockstep/config";
import { coordinate, type DistributedRun } from "@lockstep/coordinator";
import { controlToken, dashboardLine, makeSite, placeOf } from "@lockstep/dashboard";
import { type LogFormat, openPanel, StopReason, threadsToKeep, withResources } from "@lockstep/run";
import type { LiveRun } from "@lockstep/run/live";
import { type LocalWorkers, startLocalWorkers } from "@lockstep/worker";
import type { Shown } from "../dashboard-options.ts";

const HOST = "127.0.0.1";
const LIMITS = { heartbeatMs: 1000, stallMs: 60_000, minWorkers: 1 };
/** How long workers may take to leave a run that is over. */
const LEAVE_MS = 10_000;

export interface Watching extends Shown {
  /** How the workers tell of what ends them. @default "text" */
  log?: LogFormat;
  /** Is given the workers' processes, and what is known of the run while it goes. */
  onStarted?: (workers: LocalWorkers, live: LiveRun) => void;
}

/** Trains with so many processes. They are alike: slices are even, since slices by speed would follow noise. */
export async function trainTogether(
  workers: number,
  distributed: DistributedRun,
  given: MachineOptions,
  { display, dashboard, unkept = [], log, onStarted }: Watching,
): Promise<void> {
  const { run, model } = distributed;
  const { saved, config } = run;
  const threads = threadsToKeep(saved?.derived.devices, { sliceRows: config.sliceRows, workers });
  const machine = resumedMachine(saved?.machine ?? {}, given, threads);
  const codeModel = model.kind === "code" ? config.model : undefined;
  const panel = openPanel(display);
  const { live, controls } = panel;
  const control = controlToken();
  await withResources(async (resources) => {
    resources.add(display.close);
    const desk = {
      token: control,
      command: async (command: Parameters<typeof controls.take>[0]) => controls.take(command),
    };
    const { onRequest, guards, close } = makeSite({ live, desk });
    resources.add(close);
    let graceMs = 0;
    const failures = new AbortController();
    const onListening = (port: number) => {
      const url = `http://${HOST}:${port}`;
      if (dashboard !== undefined) display.line(dashboardLine(url, display.isTerminal, { control }));
      const local = startLocalWorkers(workers, url.replace("http", "ws"), machine, { codeModel, log });
      resources.add(() => local.end(graceMs));
      abortOnFailure(local, live, failures);
      onStarted?.(local, live);
    };
    // On loopback, without token and TLS.
    const place = { host: HOST, port: 0, anyPort: true };
    const outcome = await coordinate({
      ...LIMITS,
      distributed,
      panel,
      workers,
      machine,
      version,
      balance: "even",
      door: { ...place, ...(dashboard && { ...placeOf(dashboard), onRequest, guards }) },
      localWorkers: failures.signal,
      onListening,
    });
    if (outcome.end === "not begun") display.line("stopped before the run began");
    else graceMs = LEAVE_MS;
    if (outcome.end === "interrupted") {
      display.line(`stopped; continue with: ${resumeLine("pnpm train", run.folder.dir, unkept)}`);
    }
    if (outcome.end !== "finished") process.exitCode = outcome.status;
  });
}

/** Before the run has begun, the failure of one worker ends it; then that of all. */
function abortOnFailure({ oneFailed, allEnded }: LocalWorkers, live: LiveRun, failures: AbortController): void {
  const abort = (error: Error) => failures.abort(new StopReason({ type: "failure", error }));
  oneFailed.catch((error) => {
    if (live.snapshot().run === undefined) abort(error);
  });
  allEnded.catch(abort);
}
