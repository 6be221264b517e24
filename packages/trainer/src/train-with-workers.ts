/** `pnpm train --workers N`: a coordinator in this process, and N worker processes on this machine. */
import { type MachineOptions, resumeLine, version } from "@lockstep/config";
import { coordinate, type DistributedRun, type Outcome, openDistributedRun } from "@lockstep/coordinator";
import { controlToken, dashboardAddress, dashboardLine, makeSite } from "@lockstep/dashboard";
import { counted } from "@lockstep/errors";
import {
  type Command,
  type LogFormat,
  openPanel,
  type RunFolder,
  type RunPanel,
  type RunRequest,
  resumedMachineOf,
  StopReason,
  stoppedLine,
  withResources,
} from "@lockstep/run";
import { hasLeft, type LiveRun } from "@lockstep/run/live";
import { type LocalWorkers, startLocalWorkers } from "@lockstep/worker";
import type { RunView } from "./run-view.ts";

const HOST = "127.0.0.1";
const LIMITS = { heartbeatMs: 1000, stallMs: 60_000, minWorkers: 1 };
/** Time limit for workers to leave a run that is over. */
const LEAVE_MS = 10_000;

/** Output settings of a run with local workers. */
export interface LocalWorkersView extends RunView {
  /** Format in which the workers report errors. @default "text" */
  log?: LogFormat;
  /** Called with the workers' processes and the live state of the run. */
  onStarted?: (workers: LocalWorkers, live: LiveRun) => void;
}

/**
 * Trains with worker processes. The processes are alike, so slices are assigned evenly: measured speeds would be noise.
 *
 * @returns the folder of the run
 */
export function trainWithWorkers(
  workers: number,
  request: RunRequest,
  explicit: MachineOptions,
  view: LocalWorkersView,
): Promise<RunFolder> {
  return withResources(async (resources) => {
    const { display } = view;
    const distributed = await openDistributedRun(request, display);
    resources.add(display.close);
    const panel = openPanel(display);
    const { listen, control } = listenOptionsOf(panel, view);
    const { machine, threadsLine } = resumedMachineOf(distributed.run, explicit);
    const failures = new AbortController();
    let graceMs = 0;
    const onListening = (port: number) => {
      if (threadsLine !== undefined) display.line(threadsLine);
      const local = startWorkers(port, { workers, distributed, machine, control, ...view });
      resources.add(() => local.end(graceMs));
      abortOnFailure(local, panel.live, failures);
      suggestWorkers(panel, local.command);
      view.onStarted?.(local, panel.live);
    };
    const outcome = await coordinate({
      ...LIMITS,
      balance: "even",
      version,
      panel,
      listen,
      workers,
      machine,
      distributed,
      localWorkers: failures.signal,
      onListening,
    });
    if (outcome.end !== "not-begun") graceMs = LEAVE_MS;
    reportOutcome(outcome, distributed.run.folder, view);
    return distributed.run.folder;
  });
}

/** Prints how a run that was stopped is resumed, and sets the exit status. */
function reportOutcome(outcome: Outcome, { dir }: RunFolder, { display, unsavedFlags = [] }: LocalWorkersView): void {
  if (outcome.end === "finished") return;
  process.exitCode = outcome.status;
  if (outcome.end === "not-begun") display.line("stopped before the run started");
  else display.line(stoppedLine(outcome.stopped, resumeLine("pnpm train", dir, unsavedFlags)));
}

/**
 * Returns how the coordinator listens: on loopback, without token and TLS. It answers the run's pages if they are
 * wanted.
 */
function listenOptionsOf({ live, controls }: RunPanel, { dashboard }: LocalWorkersView) {
  const control = controlToken();
  const command = async (order: Command) => controls.handle(order);
  const { onRequest, isProtected, close } = makeSite({ live, control: { token: control, command } });
  const listen = {
    host: HOST,
    port: 0,
    anyPort: true,
    ...(dashboard && { ...dashboardAddress(dashboard), onRequest, isProtected, onClosing: close }),
  };
  return { listen, control };
}

interface Start extends LocalWorkersView {
  workers: number;
  distributed: DistributedRun;
  machine: MachineOptions;
  control: string;
}

function startWorkers(port: number, start: Start): LocalWorkers {
  const { workers, machine, control, display, dashboard, log } = start;
  const { run, model } = start.distributed;
  if (dashboard !== undefined) display.line(dashboardLine(`http://${HOST}:${port}`, display.isTerminal, { control }));
  const codeModel = model.kind === "code" ? run.config.model : undefined;
  return startLocalWorkers(workers, `ws://${HOST}:${port}`, machine, { codeModel, log });
}

/** Says after the loss of a worker, which is not replaced, with how many the run continues and how to start another. */
function suggestWorkers({ live, display }: RunPanel, command: string): void {
  live.subscribe((update) => {
    if (update.type !== "event" || !["lost", "dropped"].includes(update.event.kind)) return;
    const left = connectedWorkers(live);
    if (live.snapshot().run === undefined || left === 0) return;
    display.line(`the run continues with ${counted(left, "worker")}; start another with: ${command}`);
  });
}

const connectedWorkers = (live: LiveRun) => live.snapshot().workers.filter((worker) => !hasLeft(worker)).length;

/**
 * Aborts `failures` when a worker fails before the run has started, and when all workers have ended and none that was
 * started by hand is connected.
 */
function abortOnFailure({ firstFailure, allEnded }: LocalWorkers, live: LiveRun, failures: AbortController): void {
  const abort = (error: Error) => failures.abort(new StopReason({ type: "failure", error }));
  void firstFailure.then((error) => {
    if (live.snapshot().run === undefined) abort(error);
  });
  void allEnded.then((error) => {
    const abortIfNoneIsLeft = () => connectedWorkers(live) === 0 && abort(error);
    abortIfNoneIsLeft();
    live.subscribe(abortIfNoneIsLeft);
  });
}
