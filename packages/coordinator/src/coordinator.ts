/** The coordinator: it holds the run, gathers workers, and trains with them. It does not load TensorFlow. */
import { counted } from "@lockstep/errors";
import { writeTfjsModel } from "@lockstep/formats";
import {
  finishedLines,
  type Interrupts,
  type LoopEnd,
  nextStepsLine,
  printFolder,
  type Resources,
  type RunPanel,
  RunSession,
  readWeights,
  type StoppedRun,
  stopCauseOf,
  stoppedStatus,
  throwIfFailed,
  untilAskedToStop,
  watchInterrupts,
  withFailureEvent,
  withResources,
} from "@lockstep/run";
import { parseTopology } from "./admission/topology.ts";
import type { CoordinatorOptions } from "./run/coordinator-options.ts";
import { openTeam } from "./run/listening-team.ts";
import { trafficLine } from "./run/run-facts.ts";
import type { TeamRun } from "./run/start-with-team.ts";
import { wakeOn } from "./run/stop.ts";
import { trainThroughLosses } from "./run/train-through-losses.ts";
import { gathered } from "./team/gathering.ts";
import type { RemoteTeam } from "./team/remote-team.ts";

/** The outcome of a coordinator: `not-begun` if it was stopped while it waited for its first workers. */
export type Outcome =
  | { end: "finished" }
  /**
   * @property status exit status of a program that was asked to stop
   * @property stopped how far the saved run has come
   */
  | { end: "interrupted"; status: number; stopped: StoppedRun }
  | { end: "not-begun"; status: number };

/** Gathers workers and trains the run with them. A run that is finished already needs no workers. */
export function coordinate(options: CoordinatorOptions): Promise<Outcome> {
  return withResources((resources) => withFailureEvent(options.panel.live, () => coordinateWith(options, resources)));
}

async function coordinateWith(options: CoordinatorOptions, resources: Resources): Promise<Outcome> {
  const { distributed, panel } = options;
  const finished = finishedLines(distributed.run);
  if (finished !== undefined) {
    for (const line of finished) panel.display.line(line);
    return { end: "finished" };
  }
  const session = await RunSession.hold(distributed.run, panel);
  resources.add(() => session.close());
  printFolder(panel.display, distributed.run.folder); // its header has to wait for a worker
  const interrupts = watchForStops(panel, resources);
  const listening = await openTeam(options, resources);
  const run = { ...listening, options, session };
  const signal = stopSignal(run, interrupts);
  options.onListening(listening.port);
  const end = await gatherAndTrain(run, signal);
  await conclude(run, end, interrupts);
  return outcomeOf(run, end, interrupts);
}

/** Watches for requests to stop, until `resources` are closed. */
function watchForStops({ display, live }: RunPanel, resources: Resources): Interrupts {
  const interrupts = watchInterrupts({
    doing: "stopping after this step",
    log: (line) => {
      if (live.snapshot().run !== undefined) display.line(line); // before the run starts, only the stop itself is reported
    },
  });
  resources.add(interrupts.unwatch);
  return interrupts;
}

/** Returns the signal that ends the run: by an interrupt, from the dashboard, or with a failure. */
function stopSignal({ failed, options, session, team }: TeamRun, interrupts: Interrupts): AbortSignal {
  const { localWorkers, panel } = options;
  const failures = [session.leaseSignal, failed, ...(localWorkers ? [localWorkers] : [])];
  for (const failure of failures) giveUpOn(failure, team);
  return AbortSignal.any([interrupts.signal, panel.controls.signal, ...failures]);
}

/** Waits for the first workers, and trains until the schedule is done or `signal` aborts. */
async function gatherAndTrain(run: TeamRun, signal: AbortSignal): Promise<LoopEnd | "not-begun"> {
  const { options, session, team } = run;
  session.panel.live.event(`waiting for ${counted(options.workers, "worker")}`, "waiting");
  await gathered(team, { ...options, signal: wakeOn(signal, team) });
  throwIfFailed(signal);
  return signal.aborted ? "not-begun" : trainThroughLosses(run, signal);
}

function outcomeOf({ session, team }: TeamRun, end: LoopEnd | "not-begun", interrupts: Interrupts): Outcome {
  if (end === "finished") return { end };
  const status = stoppedStatus(interrupts.signal);
  if (end === "not-begun") return { end, status };
  const steps = team.updatesMade;
  const allSteps = session.panel.live.snapshot().run?.derived.steps ?? steps;
  return { end, status, stopped: { steps, allSteps, test: session.run.config.test } };
}

/** Rejects all waits for the team once `failure` aborts. */
function giveUpOn(failure: AbortSignal, team: RemoteTeam): void {
  const giveUp = () => {
    const cause = stopCauseOf(failure);
    if (cause?.type === "failure") team.giveUp(cause.error);
  };
  giveUp();
  failure.addEventListener("abort", giveUp, { once: true });
}

/** Releases the workers and writes the final files of a finished run. */
async function conclude(
  { options, session, team, admission }: TeamRun,
  end: LoopEnd | "not-begun",
  interrupts: Interrupts,
): Promise<void> {
  const { display, live } = session.panel;
  admission.end();
  team.finish();
  if (end === "finished") live.event("the run is finished", "finished");
  else live.event("the run was stopped", "stopped");
  if (end === "not-begun") return;
  const { ready } = admission.first;
  display.line(trafficLine(team.traffic, ready));
  if (end === "interrupted") return;
  const { folder } = session.run;
  await writeTfjsModel(folder.tfjs, parseTopology(ready.topology), readWeights(folder, ready.modelName));
  display.line(nextStepsLine(folder.dir));
  if (options.keepOpen !== true) return;
  interrupts.unwatch();
  display.line("the run is over; --keep-open keeps the coordinator until Ctrl-C");
  await untilAskedToStop();
}
