/** Brings a stop, a failure and the loss of the team to those who wait for the team. */
import { StopReason } from "@lockstep/run";
import type { RemoteTeam } from "../team/remote-team.ts";

/** Has those who wait for the team look at the signal as soon as it aborts. @returns the signal */
export function wakeOn(signal: AbortSignal, team: RemoteTeam): AbortSignal {
  signal.addEventListener("abort", () => team.tick(), { once: true });
  return signal;
}

/**
 * Returns the signal for one training loop: it aborts with `signal`, when all who hold the weights want to leave, and with
 * the failure when nobody holds them any more.
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
