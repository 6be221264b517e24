/** How a run begins, or goes on: where its weights come from, and who has them at the first step. */
import type { Plan } from "@lockstep/gradient-sync";
import type { Checkpoint, ParameterState } from "@lockstep/run";
import type { Membership } from "../membership/membership.ts";
import { haveSameDevice, INITIAL_ORIGIN, newOrigin } from "../membership/state-origin.ts";
import { fittedState } from "./fitted-state.ts";
import type { Replicas } from "./replicas.ts";
import type { StateSpec } from "./state-streams.ts";

/** The source of a run's weights and momentum. */
export type StateSource =
  | { from: "seed" }
  | { from: "state"; tensors: readonly ParameterState[]; step: number; prefix?: string }
  /** The workers that still hold the weights after `step` updates. */
  | { from: "held"; step: number };

/** The plan and the state that a run begins or resumes with. */
export interface RunStart {
  plan: Plan;
  source: StateSource;
  sliceRows?: number | undefined;
}

/**
 * Returns the source of the initial weights when no worker holds them; tensors follow the state dict's order.
 *
 * @param state for --init-from
 * @throws LockstepError ERR_STATE_DICT for tensors that are not those of the state dict
 */
export function stateSource(
  { checkpoint, state }: { checkpoint: Checkpoint | undefined; state: readonly ParameterState[] | undefined },
  stateDict: readonly StateSpec[],
): StateSource {
  const tensors = checkpoint?.tensors ?? state;
  if (tensors === undefined) return { from: "seed" };
  return { from: "state", step: checkpoint?.step ?? 0, ...fittedState(tensors, stateDict) };
}

/** Returns the source in words, for a run that goes on. */
export function describeSource({ from, step }: { from: StateSource["from"]; step?: number }): string {
  if (from === "held") return "with the weights that workers hold";
  return from === "state" && step !== 0 ? "from the checkpoint" : "from the start: no checkpoint was written yet";
}

/** Starts the workers that begin, and sends them the weights, if they come from here. The others catch up later. */
export async function startWorkers(
  { plan, source }: RunStart,
  { membership, replicas, runId }: { membership: Membership; replicas: Replicas; runId: string },
): Promise<void> {
  const starters = source.from === "held" ? membership.holdersOf(runId, source.step) : membership.all;
  // On unlike devices, nobody here knows which of the replicas that are held were equal before.
  const [first] = starters;
  const mayDiffer = source.from === "held" && !starters.every((member) => first && haveSameDevice(member, first));
  for (const member of starters) {
    member.activate();
    member.origin = mayDiffer ? newOrigin() : INITIAL_ORIGIN;
    member.send({ type: "start", ...plan, state: source.from === "state" ? "follows" : source.from });
  }
  if (source.from === "state") await replicas.install(source.tensors, starters);
}
