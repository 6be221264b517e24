/** The coordinator: it holds the run, gathers workers, and trains with them. It does not load TensorFlow. */
import { writeTfjsModel } from "@lockstep/formats";
import {
  counted,
  finishedLines,
  type Interrupts,
  type LoopEnd,
  nextStepsLine,
  printFolder,
  type Resources,
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
import { type ListeningTeam, openTeam } from "./run/listening-team.ts";
import { trafficLine } from "./run/run-facts.ts";
import type { TeamRun } from "./run/start-with-team.ts";
import { wakeOn } from "./run/stop.ts";
import { trainThroughLosses } from "./run/train-through-losses.ts";
import { gathered } from "./team/gathering.ts";

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
  const { distributed, panel, workers } = options;
  const finished = finishedLines(distributed.run);
  if (finished !== undefined) {
    for (const line of finished) panel.display.line(line);
    return { end: "finished" };
  }
  const session = await RunSession.hold(distributed.run, panel);
  resources.add(() => session.close());
  printFolder(panel.display, distributed.run.folder); // its header has to wait for a worker
  const interrupts = watchInterrupts({
    doing: "stopping after this step",
    log: (line) => {
      if (panel.live.snapshot().run !== undefined) panel.display.line(line); // else the stop itself is told
    },
  });
  resources.add(interrupts.unwatch);
  const listening = await openTeam(options, resources);
  const failures = [session.leaseSignal, listening.failed, ...(options.localWorkers ? [options.localWorkers] : [])];
  for (const failure of failures) giveUpOn(failure, listening);
  const signal = AbortSignal.any([interrupts.signal, panel.controls.signal, ...failures]);
  options.onListening(listening.port);
  panel.live.event(`waiting for ${counted(workers, "worker")}`, "waiting");
  await gathered(listening.team, { ...options, signal: wakeOn(signal, listening.team) });
  throwIfFailed(signal);
  const run = { ...listening, options, session };
  const end = signal.aborted ? "not-begun" : await trainThroughLosses(run, signal);
  await conclude(run, end, interrupts);
  if (end === "finished") return { end };
  const status = stoppedStatus(interrupts.signal);
  if (end === "not-begun") return { end, status };
  const steps = listening.team.updatesMade;
  const allSteps = panel.live.snapshot().run?.derived.steps ?? steps;
  return { end, status, stopped: { steps, allSteps, test: distributed.run.config.test } };
}

/** Rejects all waits for the team once `failure` aborts. */
function giveUpOn(failure: AbortSignal, { team }: ListeningTeam): void {
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
