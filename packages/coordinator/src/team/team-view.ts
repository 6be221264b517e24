/** Views of a team, for `decide` and for the dashboard. Building a view has no side effects. */
import type { Step, SubtreeAttempts } from "@lockstep/gradient-sync";
import type { WorkerNow } from "@lockstep/run/live";
import type { SubtreeView, TeamView, WorkerView } from "../membership/decide.ts";
import type { Member } from "../membership/members.ts";
import type { TeamState } from "./team-state.ts";

/** Returns the view for `decide`: the members and the subtrees that no member has completed. */
export function teamView(state: TeamState): TeamView {
  const eligible = new Set(state.eligible);
  const workers = state.membership.all.map((member) => workerView(state, member, eligible.has(member)));
  const round = state.phase.stepRound;
  if (round === undefined) return { workers, openSubtrees: [] };
  const open = round.subtrees.filter(({ complete }) => complete === undefined);
  const slowest = Math.max(0, ...workers.map(({ msPerSample }) => msPerSample ?? 0));
  return { workers, openSubtrees: open.map((subtree) => subtreeView(state, round.task.step, subtree, slowest)) };
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

/**
 * Returns the time of the last progress. A member that owes chunks of a state and other work must progress with both.
 */
function progressOf(member: Member, owes: boolean, streamSinceMs: number | undefined): number {
  if (streamSinceMs === undefined) return member.progressMs;
  return owes ? Math.min(member.progressMs, streamSinceMs) : streamSinceMs;
}

/**
 * @param slowest milliseconds per sample of the slowest member, used for members without a measurement; 0 if there is
 *   none
 */
function subtreeView(state: TeamState, step: Step, subtree: SubtreeAttempts, slowest: number): SubtreeView {
  const { id, samples, attempts, pendingReason, excludedWorkers, nonFiniteWorkers } = subtree;
  return {
    id,
    samples,
    attempts: [...attempts.values()].flatMap(({ number: attempt, worker }) => {
      const outstanding = state.assignments.outstanding(worker, { step, subtree: id, attempt });
      if (outstanding === undefined) return [];
      const msPerSample = state.membership.get(worker)?.msPerSample ?? slowest;
      const expectedMs = msPerSample === 0 ? undefined : msPerSample * outstanding.queuedSamples;
      return [{ worker, sinceMs: outstanding.sinceMs, expectedMs }];
    }),
    pendingReason,
    excludedWorkers,
    nonFiniteWorkers,
  };
}

/** Returns the device, state and current subtrees of each member, and the age of its last heartbeat. */
export function workersNow({ membership, options, phase }: TeamState): WorkerNow[] {
  const nowMs = options.nowMs();
  return membership.all.map(({ id, name, session, state }) => {
    const { device, backend } = session.hello;
    const slices = phase.stepRound?.openRangesOf(id) ?? [];
    return { name, device, backend, state, slices, heartbeatAgeMs: nowMs - session.heardMs };
  });
}
