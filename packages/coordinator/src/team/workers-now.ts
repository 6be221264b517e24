/** What is shown of each worker of a run. */
import type { WorkerNow } from "@lockstep/run/live";
import type { TeamState } from "./team-state.ts";

/** Returns what each member is, does, and when it was last heard. */
export function workersNow({ membership, options, phase }: TeamState): WorkerNow[] {
  const nowMs = options.nowMs();
  return membership.all.map(({ id, name, session, state }) => {
    const { device, backend } = session.hello;
    const slices = phase.stepRound?.openSlicesOf(id) ?? [];
    return { name, device, backend, state, slices, heartbeatAgeMs: nowMs - session.heardMs };
  });
}
