/** Starts or resumes a run with a team: decides from which step and with which weights, and prints the decision. */
import { existsSync } from "node:fs";
import { counted } from "@lockstep/errors";
import { ARITHMETIC_VERSION } from "@lockstep/gradient-sync";
import { DEFAULT_INIT, prefixLine } from "@lockstep/model/files";
import {
  type Checkpoint,
  groupDevices,
  makeSchedule,
  type ResumePoint,
  type RunSession,
  resumePointAt,
  type Schedule,
  type StartedRun,
  type TrainingRun,
  tuneGarbageCollection,
} from "@lockstep/run";
import { describeSource, type StateSource, stateSource } from "../state/initial-state.ts";
import { planRun, type RunPlan } from "../step/run-plan.ts";
import type { RemoteTeam } from "../team/remote-team.ts";
import type { CoordinatorOptions } from "./coordinator-options.ts";
import type { ListeningTeam } from "./listening-team.ts";
import { teamRunFacts } from "./run-facts.ts";

/**
 * Incoming bytes per step above which rare garbage collection pays off; below, it would only make heaps grow. The bound
 * lies between the two sizes that were measured, 0.1 and 25 MB: see docs/performance.md.
 */
const LARGE_STEP_BYTES = 4 * 2 ** 20;

/** A run that this process holds, with the team that computes it. */
export interface TeamRun extends ListeningTeam {
  options: CoordinatorOptions;
  session: RunSession;
}

/** Returns what determines the bits of a run besides its configuration: the arithmetic and the devices. */
export const teamNumerics = ({ members }: RemoteTeam) => ({
  arithmetic: ARITHMETIC_VERSION,
  devices: groupDevices(members.map(({ session }) => session.hello)),
});

/**
 * Starts the run with the workers that have joined, from the checkpoint or from the weights that they hold. Tunes this
 * process's garbage collection if the gradients are large.
 *
 * @throws LockstepError ERR_RUN_TAKEN if another process has taken the folder
 */
export async function startWithTeam(run: TeamRun, checkpoint: Checkpoint | undefined): Promise<TrainingRun> {
  const { options, session, team, admission } = run;
  const { config, folder, saved } = session.run;
  session.assertHeld();
  const { schedule, from, source } = startOf(run, checkpoint);
  const { plan, maxWorkers } = planFor(run);
  const isResuming = existsSync(folder.metrics);
  const resumeMessage = isResuming
    ? `resuming after ${counted(from.step, "step")}, ${describeSource(source)}`
    : undefined;
  const facts = teamRunFacts(options.distributed.model, admission.first.ready);
  const machine = options.machine ?? saved?.machine ?? {};
  const isFirstStart = session.panel.live.snapshot().run === undefined;
  const started = session.start({ facts, schedule, machine, ...teamNumerics(team), resumePoint: from, resumeMessage });
  admission.begin({ maxWorkers, onJoined: () => started.addDevices(teamNumerics(team).devices) });
  if (isFirstStart) printHeader(started, run);
  printSource(run, source, resumeMessage);
  const training = started.openTraining();
  await team.begin({ plan, source, sliceRows: config.sliceRows });
  return training;
}

/** Plans the gradient exchange for the workers that have joined, and tunes garbage collection to its size. */
function planFor({ session, team }: TeamRun): RunPlan {
  const readies = team.members.map(({ session: { ready } }) => ready);
  const runPlan = planRun(readies, session.run.config);
  if (runPlan.incomingBytes > LARGE_STEP_BYTES) tuneGarbageCollection();
  return runPlan;
}

/** The step at which training starts, and the source of its weights. */
interface Start {
  schedule: Schedule;
  from: ResumePoint;
  source: StateSource;
}

/** Chooses the weights that workers hold, unless the checkpoint is of a later step. */
function startOf({ options, session, team, admission }: TeamRun, checkpoint: Checkpoint | undefined): Start {
  const { config, folder } = session.run;
  const { ready } = admission.first;
  const [resumable, saved] = [team.resumableStep, checkpoint?.step ?? 0];
  const schedule = makeSchedule(config, ready, Math.max(resumable ?? 0, saved));
  if (resumable !== undefined && resumable >= saved) {
    return { schedule, from: resumePointAt(folder, resumable, schedule), source: { from: "held", step: resumable } };
  }
  const from = checkpoint ?? resumePointAt(folder, 0, schedule);
  const { state } = options.distributed;
  return { schedule, from, source: stateSource({ checkpoint, state }, ready.stateDict) };
}

function printHeader(started: StartedRun, { admission }: TeamRun): void {
  const { ownWeights, tensors, compiled } = admission.first.ready;
  const written = ownWeights?.written ?? 0;
  started.printHeader({ written, total: tensors.length, defaultInit: DEFAULT_INIT, compiled });
}

/** Prints which names of a weights file were changed, and where a resumed run continues. */
function printSource({ session }: TeamRun, source: StateSource, resumeMessage: string | undefined): void {
  const { display } = session.panel;
  if (source.from === "state" && source.prefix) display.line(prefixLine(source.prefix));
  if (resumeMessage !== undefined) display.line(resumeMessage);
}
