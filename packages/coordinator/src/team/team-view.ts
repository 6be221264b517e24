/** Views of a team: for `decide`, and for people. Building one changes nothing. */
import type { SliceAttempts, Step } from "@lockstep/gradient-sync";
import type { WorkerNow } from "@lockstep/run/live";
import type { SliceView, TeamView, WorkerView } from "../membership/decide.ts";
import type { Member } from "../membership/members.ts";
import type { TeamState } from "./team-state.ts";

/** Returns what there is to decide about: the members, and the slices that nobody has completed. */
export function teamView(state: TeamState): TeamView {
  const eligible = new Set(state.eligible);
  const workers = state.membership.all.map((member) => workerView(state, member, eligible.has(member)));
  const round = state.phase.stepRound;
  if (round === undefined) return { workers, openSlices: [] };
  const open = round.slices.filter(({ complete }) => complete === undefined);
  const slowest = Math.max(0, ...workers.map(({ msPerSample }) => msPerSample ?? 0));
  return { workers, openSlices: open.map((slice) => sliceView(state, round.task.step, slice, slowest)) };
}

function workerView(state: TeamState, member: Member, isEligible: boolean): WorkerView {
  const { id, session, msPerSample } = member;
  const owes = state.owes(member);
  const streamSinceMs = state.streams.waitingSinceMs(member);
  return {
    id,
    heardMs: session.heardMs,
    progressMs: progressOf(member, owes, streamSinceMs),
    owes: owes || streamSinceMs !== undefined,
    openSamples: state.openSamples(member),
    msPerSample,
    isEligible,
    isCatchingUp: member.state === "loading" || member.state === "replaying",
  };
}

/** Pieces of a state come beside everything else: a member that owes them and more must make progress with both. */
function progressOf(member: Member, owes: boolean, streamSinceMs: number | undefined): number {
  if (streamSinceMs === undefined) return member.progressMs;
  return owes ? Math.min(member.progressMs, streamSinceMs) : streamSinceMs;
}

/** @param slowest milliseconds for a sample, which stand for a member's that is not measured yet; 0 if none is */
function sliceView(state: TeamState, step: Step, slices: SliceAttempts, slowest: number): SliceView {
  const { slice, samples, attempts, openBecause, excludedWorkers, nonFiniteWorkers } = slices;
  return {
    slice,
    samples,
    attempts: [...attempts.values()].flatMap(({ attempt, worker }) => {
      const outstanding = state.assignments.outstanding(worker, { step, slice, attempt });
      if (outstanding === undefined) return [];
      const msPerSample = state.membership.get(worker)?.msPerSample ?? slowest;
      const expectedMs = msPerSample === 0 ? undefined : msPerSample * outstanding.queuedSamples;
      return [{ worker, sinceMs: outstanding.sinceMs, expectedMs }];
    }),
    openBecause,
    excludedWorkers,
    nonFiniteWorkers,
  };
}

/** Returns what each member is, does, and when it was last heard. */
export function workersNow({ membership, options, phase }: TeamState): WorkerNow[] {
  const nowMs = options.nowMs();
  return membership.all.map(({ id, name, session, state }) => {
    const { device, backend } = session.hello;
    const slices = phase.stepRound?.openSlicesOf(id) ?? [];
    return { name, device, backend, state, slices, heartbeatAgeMs: nowMs - session.heardMs };
  });
}
