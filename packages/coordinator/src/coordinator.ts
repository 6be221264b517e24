/** A coordinator: holds the run, gathers its workers, and trains with them. It needs no TensorFlow. */
import { writeTfjsModel } from "@lockstep/formats";
import {
  type Interrupts,
  type LoopEnd,
  type Resources,
  RunSession,
  readWeights,
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
import { finishedLines } from "./run/finished-run.ts";
import { type ListeningTeam, openTeam } from "./run/listening-team.ts";
import { trafficLine } from "./run/run-facts.ts";
import type { TeamRun } from "./run/start-with-team.ts";
import { wakeOn } from "./run/stop.ts";
import { trainThroughLosses } from "./run/train-through-losses.ts";
import { gathered } from "./team/gathering.ts";

/** How a coordinator ends. One that is asked to stop while it waits for its first workers has not begun. */
export type Outcome =
  | { end: "finished" }
  /** @property status the exit status of a program that was asked to stop */
  | { end: "interrupted" | "not begun"; status: number };

/** Gathers workers and trains the run with them; one that is finished already needs none. */
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
  panel.live.event(`waiting for ${workers} workers`, "waiting");
  await gathered(listening.team, { ...options, signal: wakeOn(signal, listening.team) });
  throwIfFailed(signal);
  const run = { ...listening, options, session };
  const end = signal.aborted ? "not begun" : await trainThroughLosses(run, signal);
  await conclude(run, end, interrupts);
  return end === "finished" ? { end } : { end, status: stoppedStatus(interrupts.signal) };
}

/** Has whoever waits for the team hear of a failure. */
function giveUpOn(failure: AbortSignal, { team }: ListeningTeam): void {
  const giveUp = () => {
    const cause = stopCauseOf(failure);
    if (cause?.type === "failure") team.giveUp(cause.error);
  };
  giveUp();
  failure.addEventListener("abort", giveUp, { once: true });
}

/** Lets the workers go, and writes what a run leaves when it is over. */
async function conclude(
  { options, session, team, admission }: TeamRun,
  end: LoopEnd | "not begun",
  interrupts: Interrupts,
): Promise<void> {
  const { display, live } = session.panel;
  admission.end();
  team.finish();
  if (end === "finished") live.event("the run is finished", "finished");
  else live.event("the run was stopped", "stopped");
  if (end === "not begun") return;
  const { ready } = admission.first;
  display.line(trafficLine(team.traffic, ready));
  if (end === "interrupted") return;
  const { folder } = session.run;
  await writeTfjsModel(folder.tfjs, parseTopology(ready.topology), readWeights(folder, ready.modelName));
  if (options.keepOpen !== true) return;
  interrupts.unwatch();
  display.line("the run is over; --keep-open keeps the coordinator until Ctrl-C");
  await untilAskedToStop();
}
