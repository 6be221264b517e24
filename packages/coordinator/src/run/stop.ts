/** Connects stop requests, failures and the loss of the team to the waits on the team. */
import { StopReason } from "@lockstep/run";
import type { RemoteTeam } from "../team/remote-team.ts";

/** Re-evaluates the waits on the team as soon as the signal aborts. @returns the signal */
export function wakeOn(signal: AbortSignal, team: RemoteTeam): AbortSignal {
  signal.addEventListener("abort", () => team.tick(), { once: true });
  return signal;
}

/**
 * Returns the signal for one training loop. It aborts with `signal`, when all workers that hold the weights want to
 * leave, and, with the failure, when no worker holds them any more.
 */
export function loopSignal(signal: AbortSignal, team: RemoteTeam): AbortSignal {
  const end = new AbortController();
  team
    .until(() => team.lastLeaves)
    .then(
      () => end.abort(new StopReason({ type: "last-worker-leaves" })),
      (error) => end.abort(new StopReason({ type: "failure", error })),
    );
  return wakeOn(AbortSignal.any([signal, end.signal]), team);
}
