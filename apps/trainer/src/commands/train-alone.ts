/** A run on this machine, in this process: openRun, a local team, and the training loop. */
import { type MachineOptions, resumedMachine, resumeLine } from "@lockstep/config";
import { bitProperties } from "@lockstep/engine";
import { LockstepError } from "@lockstep/errors";
import { ARITHMETIC_VERSION } from "@lockstep/gradient-sync";
import {
  atStart,
  type Derived,
  type Display,
  differentBitsLine,
  groupDevices,
  makeSchedule,
  openPanel,
  openRun,
  type Resources,
  type RunFolder,
  type RunRequest,
  RunSession,
  type RunStart,
  startLines,
  stoppedStatus,
  threadsToKeep,
  trainLoop,
  watchInterrupts,
  withResources,
} from "@lockstep/run";
import {
  firstValues,
  isModelOf,
  LocalTeam,
  type PreparedRun,
  prepare,
  runFactsOf,
  writeRunTfjs,
} from "@lockstep/training";
import { openPages, type Shown, tellBegin } from "../dashboard-options.ts";
import { slowBackendLine, summaryOf } from "../summary.ts";

/** A run with all that is loaded of it. */
interface LoadedRun {
  prepared: PreparedRun;
  values: Awaited<ReturnType<typeof firstValues>>;
}

const warnOn = (display: Display) => (line: string) => display.line(line, { level: "warn" });

/**
 * Trains to the end of the schedule, or until it is asked to stop. A run that was ended before its first checkpoint
 * begins again at step 0, where the same weights follow from its configuration.
 *
 * @returns the folder of the run
 */
export function trainAlone(request: RunRequest, machine: MachineOptions, shown: Shown): Promise<RunFolder> {
  return withResources(async (resources) => {
    const { display } = shown;
    const load = (start: RunStart) => loadRun(start, machine, display, resources);
    const { run, model: loaded } = await openRun(request, load, warnOn(display));
    const session = await RunSession.hold(run, openPanel(display));
    resources.add(() => session.close());
    await trainSession(session, loaded, shown, resources);
    return run.folder;
  });
}

/** Loads engine, model, data and weights. */
async function loadRun(
  start: RunStart,
  given: MachineOptions,
  display: Display,
  resources: Resources,
): Promise<LoadedRun> {
  const { config, saved, checkpoint } = start;
  const threads = threadsToKeep(saved?.derived.devices, { sliceRows: config.sliceRows, workers: 1 });
  const machine = saved === undefined ? given : resumedMachine(saved.machine, given, threads);
  const prepared = await prepare(config, machine, display.line);
  resources.add(() => prepared.thread.close());
  if (saved !== undefined) {
    assertSameModel(prepared, saved.derived);
    const warning = differentBitsLine(saved.derived, computedWith(prepared), config);
    if (warning !== undefined) warnOn(display)(warning);
    if (checkpoint === undefined) display.line("no checkpoint was written yet; the run begins again at step 0");
  }
  return { prepared, values: await firstValues(prepared, start, display.line) };
}

function assertSameModel({ config, loaded, names }: PreparedRun, derived: Derived): void {
  if (isModelOf(derived, loaded, names)) return;
  throw new LockstepError(
    "ERR_MODEL_CHANGED",
    `${config.model} is no longer the model that this run began with. Restore it, or start a new run with --init-from.`,
  );
}

const computedWith = ({ engine }: PreparedRun) => ({
  arithmetic: ARITHMETIC_VERSION,
  devices: groupDevices([bitProperties(engine)]),
});

async function trainSession(
  session: RunSession,
  { prepared, values }: LoadedRun,
  shown: Shown,
  resources: Resources,
): Promise<void> {
  const { run, panel } = session;
  const { display, live, controls } = panel;
  const { machine, engine, thread } = prepared;
  const from = run.saved === undefined ? undefined : (run.checkpoint ?? atStart);
  const schedule = makeSchedule(run.config, thread.meta, from?.step);
  const interrupts = watchInterrupts({ doing: "stopping after this step", tell: (line) => display.line(line) });
  resources.add(interrupts.unwatch);
  resources.add(display.close);
  const file = session.settle(runFactsOf(prepared), { schedule, machine, ...computedWith(prepared) });
  tellBegin(panel, engine, from?.step ?? 0);
  if (shown.dashboard !== undefined) await openPages(panel, shown.dashboard, resources);
  tellStart(session, prepared, file.derived);
  const tasks = schedule.tasksFrom(from?.step ?? 0, from?.progress.endedSteps);
  const team = new LocalTeam(prepared, { values, tasks, onPhase: live.phase.bind(live) });
  resources.add(() => team.close());
  const training = session.begin(file, schedule, from);
  const signal = AbortSignal.any([interrupts.signal, controls.signal, session.lost]);
  try {
    const end = await trainLoop(training, team, signal);
    live.event(`the run is over: ${end}`, end === "finished" ? "finished" : "stopped");
    if (end === "finished") {
      await exportTfjs(session, team, prepared);
      return;
    }
    const line = resumeLine("pnpm train", run.folder.dir, shown.unkept ?? []);
    display.line(`stopped after ${training.recorder.checkpointStep} steps; continue with: ${line}`);
    process.exitCode = stoppedStatus(interrupts.signal);
  } catch (error) {
    live.event(error instanceof Error ? error.message : String(error), "failed");
    throw error;
  }
}

async function exportTfjs({ run, panel }: RunSession, { replica }: LocalTeam, { loaded, names }: PreparedRun) {
  const fault = await writeRunTfjs(run.folder, { replica, modelName: loaded.name, names });
  if (fault !== undefined) warnOn(panel.display)(fault);
}

/** Prints what the run is, and what becomes of what its model brings along. */
function tellStart(
  { run, panel: { display } }: RunSession,
  { own, names, loaded, engine }: PreparedRun,
  derived: Derived,
) {
  const { config, saved, checkpoint, folder } = run;
  const brought = { written: own.written.size, total: names.length, compiled: loaded.compiled };
  const resumedStep = saved === undefined ? undefined : (checkpoint?.step ?? 0);
  display.line(summaryOf(config, derived, folder, { brought, resumedStep }));
  if (saved === undefined) for (const line of startLines(config, brought)) display.line(line);
  if (["wasm", "cpu"].includes(engine.backend)) display.line(slowBackendLine(engine.backend));
}
