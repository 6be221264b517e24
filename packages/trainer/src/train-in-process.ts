/** A run on this machine, in this process: openRun, a local team, and the training loop. */
import { type MachineOptions, resumeLine } from "@lockstep/config";
import { counted } from "@lockstep/errors";
import { DEFAULT_INIT } from "@lockstep/model";
import {
  atStart,
  type Display,
  finishedLines,
  makeSchedule,
  nextStepsLine,
  openPanel,
  openRun,
  type Resources,
  type RunFolder,
  type RunInputs,
  type RunRequest,
  RunSession,
  type StartedRun,
  stoppedLine,
  stoppedStatus,
  trainLoop,
  watchInterrupts,
  withFailureEvent,
  withResources,
} from "@lockstep/run";
import { LOCAL_WORKER, type WorkerNow } from "@lockstep/run/live";
import {
  type LoadedRun,
  LocalTeam,
  loadRun,
  localNumerics,
  localRunFacts,
  type PreparedRun,
  writeRunTfjs,
} from "@lockstep/training";
import { openPages } from "./pages.ts";
import type { RunView } from "./run-view.ts";
import { slowBackendLine } from "./slow-backend.ts";

const warnOn = (display: Display) => (line: string) => display.line(line, { level: "warn" });

/**
 * Trains until the schedule is complete or a stop is requested. A run that ended before its first checkpoint restarts
 * at step 0, where its configuration determines the same weights. For a run that is finished already,
 * prints where its results are.
 *
 * @returns the folder of the run
 */
export function trainInProcess(request: RunRequest, machine: MachineOptions, view: RunView): Promise<RunFolder> {
  return withResources(async (resources) => {
    const { display } = view;
    const prepare = async (start: RunInputs): Promise<LoadedRun | { finished: string[] }> => {
      const finished = finishedLines(start);
      if (finished !== undefined) return { finished };
      return loadRun(start, machine, display, ({ thread }) => resources.add(() => thread.close()));
    };
    const { run, model: loaded } = await openRun(request, prepare, warnOn(display));
    if ("finished" in loaded) {
      for (const line of loaded.finished) display.line(line);
      return run.folder;
    }
    const session = await RunSession.hold(run, openPanel(display));
    resources.add(() => session.close());
    await trainSession(session, loaded, view, resources);
    return run.folder;
  });
}

async function trainSession(
  session: RunSession,
  { prepared, values }: LoadedRun,
  view: RunView,
  resources: Resources,
): Promise<void> {
  const { display, live, controls } = session.panel;
  const interrupts = watchInterrupts({ doing: "stopping after this step", log: (line) => display.line(line) });
  resources.add(interrupts.unwatch);
  resources.add(display.close);
  const started = start(session, prepared);
  live.apply({ type: "team", workers: [workerOf(prepared)] });
  if (view.dashboard !== undefined) await openPages(session.panel, view.dashboard, resources);
  printStart(started, prepared, display);
  const training = started.openTraining();
  const team = new LocalTeam(prepared, { values, tasks: training.tasks(), onPhase: live.phase.bind(live) });
  resources.add(() => team.close());
  const signal = AbortSignal.any([interrupts.signal, controls.signal, session.leaseSignal]);
  await withFailureEvent(live, async () => {
    const end = await trainLoop(training, team, signal);
    if (end === "finished") {
      live.event("the run is finished", "finished");
      await exportTfjs(session, team, prepared);
      display.line(nextStepsLine(session.run.folder.dir));
      return;
    }
    live.event("the run was stopped", "stopped");
    const command = resumeLine("pnpm train", session.run.folder.dir, view.unsavedFlags ?? []);
    const { steps: allSteps } = started.derived;
    const steps = training.writer.checkpointStep ?? 0;
    display.line(stoppedLine({ steps, allSteps, test: session.run.config.test }, command));
    process.exitCode = stoppedStatus(interrupts.signal);
  });
}

/** Starts the run; a resumed run without a checkpoint restarts at step 0. */
function start(session: RunSession, prepared: PreparedRun): StartedRun {
  const { config, saved, checkpoint } = session.run;
  const resumePoint = saved === undefined ? undefined : (checkpoint ?? atStart);
  const doneSteps = resumePoint?.step ?? 0;
  return session.start({
    facts: localRunFacts(prepared),
    schedule: makeSchedule(config, prepared.thread.meta, doneSteps),
    machine: prepared.machine,
    ...localNumerics(prepared),
    resumePoint,
    resumeMessage: doneSteps > 0 ? `resuming after ${counted(doneSteps, "step")}` : undefined,
  });
}

/** Returns the worker that the run's pages show. */
function workerOf({ engine: { device, backend } }: PreparedRun): WorkerNow {
  return { name: LOCAL_WORKER, device: device.name, backend, state: "in", slices: [] };
}

async function exportTfjs({ run, panel }: RunSession, { replica }: LocalTeam, { loaded, names }: PreparedRun) {
  const fault = await writeRunTfjs(run.folder, { replica, modelName: loaded.name, names });
  if (fault !== undefined) warnOn(panel.display)(fault);
}

/** Prints a warning about a slow backend, and the header of the run. */
function printStart(started: StartedRun, { own, names, loaded, engine }: PreparedRun, display: Display) {
  const { compiled } = loaded;
  if (["wasm", "cpu"].includes(engine.backend)) display.line(slowBackendLine(engine));
  started.printHeader({ written: own.written.size, total: names.length, defaultInit: DEFAULT_INIT, compiled });
}
