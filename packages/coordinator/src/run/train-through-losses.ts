/**
 * Trains a distributed run across the loss of all its workers: it then continues from the last checkpoint, or from the
 * weights of workers that reconnect.
 */
import { LockstepError } from "@lockstep/errors";
import {
  type Checkpoint,
  type ComputedWith,
  differentBitsLine,
  type LoopEnd,
  lastCheckpoint,
  throwIfFailed,
  trainLoop,
} from "@lockstep/run";
import { gathered } from "../team/gathering.ts";
import { startWithTeam, type TeamRun, teamNumerics } from "./start-with-team.ts";
import { loopSignal } from "./stop.ts";

/** Trains until the schedule is done or `signal` aborts. */
export async function trainThroughLosses(run: TeamRun, signal: AbortSignal): Promise<LoopEnd> {
  const { session, team } = run;
  const { folder, config, saved } = session.run;
  const warn = (line: string) => session.panel.display.line(line, { level: "warn" });
  let before: ComputedWith | undefined = saved?.derived;
  for (let { checkpoint } = session.run; ; checkpoint = lastCheckpoint(folder.checkpoints, warn)) {
    const now = teamNumerics(team);
    const warning = differentBitsLine(before, now, config);
    if (warning !== undefined) warn(warning);
    before = now;
    const end = await trainUntilLost(run, checkpoint, signal).catch(asLost);
    if (end === "finished") return end;
    if (!signal.aborted) await gatherAgain(run, end, signal);
    throwIfFailed(signal);
    if (signal.aborted) return "interrupted";
  }
}

/** Returns "lost" for the loss of all workers that hold the weights. @throws any other error */
function asLost(error: unknown): "lost" {
  if (error instanceof LockstepError && error.code === "ERR_ALL_LOST") return "lost";
  throw error;
}

/** Waits for workers with which the run can continue. */
async function gatherAgain({ options, session, team }: TeamRun, end: LoopEnd | "lost", signal: AbortSignal) {
  const why = end === "interrupted" ? "the last worker is leaving; its weights are saved" : "no worker is left";
  const line = `${why}; the run continues when workers join`;
  session.panel.display.line(line);
  session.panel.live.event(line, "paused");
  team.reset();
  await gathered(team, { ...options, lostAtMs: performance.now(), signal });
}

/**
 * Trains until the schedule is done, `signal` aborts, or the last worker leaves.
 *
 * @throws ERR_ALL_LOST when it is lost
 */
async function trainUntilLost(run: TeamRun, checkpoint: Checkpoint | undefined, signal: AbortSignal): Promise<LoopEnd> {
  const training = await startWithTeam(run, checkpoint);
  return trainLoop(training, run.team, loopSignal(signal, run.team));
}
