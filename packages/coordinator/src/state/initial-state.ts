/** The initial state of a run that starts or resumes: the source of its weights, and the workers that get them. */
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
  /** Workers that still hold the weights after `step` updates. */
  | { from: "held"; step: number };

/** The plan and the state with which a run starts or resumes. */
export interface RunStart {
  plan: Plan;
  source: StateSource;
  sliceRows?: number | undefined;
}

/**
 * Returns the source of the initial weights when no worker holds them. Tensors are in the order of the state dict.
 *
 * @param state the weights from `--init-from`
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

/** Describes the source of a resumed run's weights in words. */
export function describeSource({ from, step }: { from: StateSource["from"]; step?: number }): string {
  if (from === "held") return "with the weights that workers hold";
  return from === "state" && step !== 0 ? "from the checkpoint" : "from the start: no checkpoint was written yet";
}

/** Starts the run's first workers, and sends them the weights if the coordinator has them. Others catch up later. */
export async function startWorkers(
  { plan, source }: RunStart,
  { membership, replicas, runId }: { membership: Membership; replicas: Replicas; runId: string },
): Promise<void> {
  const starters = source.from === "held" ? membership.holdersOf(runId, source.step) : membership.all;
  // Replicas on different kinds of devices may have differed before; the coordinator cannot know.
  const [first] = starters;
  const mayDiffer = source.from === "held" && !starters.every((member) => first && haveSameDevice(member, first));
  for (const member of starters) {
    member.activate();
    member.origin = mayDiffer ? newOrigin() : INITIAL_ORIGIN;
    member.send({ type: "start", ...plan, state: source.from === "state" ? "follows" : source.from });
  }
  if (source.from === "state") await replicas.install(source.tensors, starters);
}
