/**
 * A distributed run trains until nobody is left who holds the weights; it then goes on from the last checkpoint, or from
 * what workers hold that come back.
 */
import { existsSync } from "node:fs";
import { LockstepError } from "@lockstep/errors";
import { ARITHMETIC_VERSION } from "@lockstep/gradient-sync";
import { prefixLine } from "@lockstep/model/files";
import {
  type Checkpoint,
  type ComputedWith,
  differentBitsLine,
  groupDevices,
  type LoopEnd,
  lastCheckpoint,
  makeSchedule,
  type ResumePoint,
  type RunSession,
  resumePointAt,
  type Schedule,
  startLines,
  throwIfFailed,
  trainLoop,
  tuneGarbageCollection,
} from "@lockstep/run";
import { describeSource, type StateSource, stateSource } from "../state/initial-state.ts";
import { planRun } from "../step/run-plan.ts";
import { gathered } from "../team/gathering.ts";
import type { RemoteTeam } from "../team/remote-team.ts";
import type { CoordinatorOptions } from "./coordinator-options.ts";
import type { ListeningTeam } from "./listening-team.ts";
import { runFactsOf } from "./run-facts.ts";
import { loopSignal } from "./stop.ts";

/**
 * If more comes in a step, it pays to collect garbage seldom; if less, heaps would grow, slowly, for nothing. It lies
 * between the two that were measured, 0.1 and 25 MB: see docs/performance.md.
 */
const MUCH_BYTES = 4 * 2 ** 20;

/** A held run, with the workers that compute it. */
export interface TeamRun extends ListeningTeam {
  options: CoordinatorOptions;
  session: RunSession;
}

/** Trains until the schedule is done or `signal` aborts. */
export async function trainThroughLosses(run: TeamRun, signal: AbortSignal): Promise<LoopEnd> {
  const { session, team } = run;
  const { folder, config, saved } = session.run;
  const warn = (line: string) => session.panel.display.line(line, { level: "warn" });
  let before: ComputedWith | undefined = saved?.derived;
  for (let { checkpoint } = session.run; ; checkpoint = lastCheckpoint(folder.checkpoints, warn)) {
    const now = computedWith(team);
    const warning = differentBitsLine(before, now, config);
    if (warning !== undefined) warn(warning);
    before = now;
    const end = await trainUntilLost(run, checkpoint, signal).catch(lostIfAllAre);
    if (end === "finished") return end;
    if (!signal.aborted) await gatherAgain(run, end, signal);
    throwIfFailed(signal);
    if (signal.aborted) return "interrupted";
  }
}

const computedWith = ({ members }: RemoteTeam) => ({
  arithmetic: ARITHMETIC_VERSION,
  devices: groupDevices(members.map(({ session }) => session.hello)),
});

/** @throws the error, unless it is the loss of all workers that hold the weights */
function lostIfAllAre(error: unknown): "lost" {
  if (error instanceof LockstepError && error.code === "ERR_ALL_LOST") return "lost";
  throw error;
}

/** Waits for workers that the run can go on with. */
async function gatherAgain({ options, session, team }: TeamRun, end: LoopEnd | "lost", signal: AbortSignal) {
  const why = end === "interrupted" ? "the last worker leaves; its weights are saved" : "no worker is left";
  const line = `${why}; the run goes on when workers come`;
  session.panel.display.line(line);
  session.panel.live.event(line, "paused");
  team.reset();
  await gathered(team, { ...options, lostMs: performance.now(), signal });
}

/**
 * Trains until the schedule is done, `signal` aborts, the last worker leaves (interrupted) or is lost (ERR_ALL_LOST). For
 * a run of large gradients it has this process collect garbage seldom.
 */
async function trainUntilLost(run: TeamRun, checkpoint: Checkpoint | undefined, signal: AbortSignal): Promise<LoopEnd> {
  const { options, session, team, admission } = run;
  const { config } = session.run;
  session.assertHeld();
  const { ready } = admission.first;
  const { schedule, from, source } = startOf(run, checkpoint);
  const { plan, mostWorkers, incomingBytes } = planRun(
    team.members.map(({ session: { ready } }) => ready),
    config,
  );
  if (incomingBytes > MUCH_BYTES) tuneGarbageCollection();
  admission.begin(mostWorkers);
  const machine = options.machine ?? session.run.saved?.machine ?? {};
  const facts = runFactsOf(options.distributed.model, ready);
  const hasRows = existsSync(session.run.folder.metrics);
  const goingOn = hasRows ? `going on after ${from.step} steps, ${describeSource(source)}` : undefined;
  const started = session.start({ facts, schedule, machine, ...computedWith(team), from, goingOn });
  admission.onJoined = () => started.addDevices(computedWith(team).devices);
  printStart(run, source, goingOn);
  const training = started.openTraining();
  await team.begin({ plan, source, sliceRows: config.sliceRows });
  return trainLoop(training, team, loopSignal(signal, team));
}

/** Where training starts, and with whose weights. */
interface Start {
  schedule: Schedule;
  from: ResumePoint;
  source: StateSource;
}

/** The weights that workers hold are taken, unless the checkpoint is of a later step. */
function startOf({ options, session, team, admission }: TeamRun, checkpoint: Checkpoint | undefined): Start {
  const { config, folder } = session.run;
  const { ready } = admission.first;
  const [held, saved] = [team.heldStep, checkpoint?.step ?? 0];
  const schedule = makeSchedule(config, ready, Math.max(held ?? 0, saved));
  if (held !== undefined && held >= saved) {
    return { schedule, from: resumePointAt(folder, held, schedule), source: { from: "held", step: held } };
  }
  const from = checkpoint ?? resumePointAt(folder, 0, schedule);
  const { state } = options.distributed;
  return { schedule, from, source: stateSource({ resumed: checkpoint, state }, ready.stateDict) };
}

/** Prints from where the run goes on; if it begins, what becomes of what its model brings along. */
function printStart({ session, admission }: TeamRun, source: StateSource, goingOn: string | undefined): void {
  const { display } = session.panel;
  if (source.from === "state" && source.prefix) display.line(prefixLine(source.prefix));
  if (goingOn !== undefined) {
    display.line(goingOn);
    return;
  }
  const { ownWeights, tensors, compiled } = admission.first.ready;
  const brought = { written: ownWeights?.written ?? 0, total: tensors.length, compiled };
  for (const line of startLines(session.run.config, brought)) display.line(line);
}
