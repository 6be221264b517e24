/** Statistics of each worker's share of a step, for its row in the metrics. */
import type { MessageOf, StepRound } from "@lockstep/gradient-sync";
import { sum, type WorkerShare } from "@lockstep/run";
import type { ReadySession } from "../connections/ready-session.ts";
import type { Member } from "../membership/members.ts";

type Contribution = MessageOf<"contribution">;

/**
 * Returns each member's share of a complete step.
 *
 * @param sinceMs time at which the step began, by this machine's clock
 */
export function stepStats(
  members: readonly Member[],
  round: StepRound,
  { sinceMs, stepMs }: { sinceMs: number; stepMs: number },
): WorkerShare[] {
  const done = round.subtrees.flatMap(({ complete }) => complete ?? []);
  return members.map(({ id, name, session }) => {
    const own = done.filter(({ worker }) => worker === id).map(({ contribution }) => contribution);
    const doneMs = doneMsOf(own, session, sinceMs);
    return {
      name,
      samples: own.reduce((total, { samples }) => total + samples, 0),
      bytesUp: session.bytesUp,
      bytesDown: session.bytesDown,
      ms: withWait(addUp(own.map(({ ms }) => ms)), stepMs),
      io: addUp(own.map(({ io }) => io)),
      ...(doneMs !== undefined && { doneMs: Math.min(Math.max(0, doneMs), stepMs) }),
    };
  });
}

/** The traffic of steps. */
export interface Traffic {
  /** Number of steps, summed over the workers. */
  workerSteps: number;
  bytesUp: number;
  bytesDown: number;
}

/** Adds these members' traffic of a step to the total, and resets their counters. */
export function countTraffic(members: readonly Member[], traffic: Traffic): void {
  for (const { session } of members) {
    traffic.workerSteps++;
    traffic.bytesUp += session.bytesUp;
    traffic.bytesDown += session.bytesDown;
    session.bytesUp = session.bytesDown = 0;
  }
}

/** Returns the time in the step at which the last of these was computed; undefined if the clocks cannot be compared. */
function doneMsOf(own: readonly Contribution[], { clockAheadMs }: ReadySession, sinceMs: number): number | undefined {
  if (own.length === 0 || clockAheadMs === undefined) return undefined;
  return Math.max(...own.map(({ doneMs }) => doneMs)) - clockAheadMs - sinceMs;
}

function addUp(parts: readonly Record<string, number>[]): Record<string, number> {
  const total: Record<string, number> = {};
  for (const part of parts) for (const [name, ms] of Object.entries(part)) total[name] = (total[name] ?? 0) + ms;
  return total;
}

/**
 * Adds `wait`, the rest of the step, in which the computing thread was idle between its contribution and the commit.
 */
function withWait(ms: Record<string, number>, stepMs: number): Record<string, number> {
  const busyMs = sum(Object.values(ms));
  return { ...ms, wait: Math.max(0, stepMs - busyMs) };
}
