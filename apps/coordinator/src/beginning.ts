/** How a run begins, or goes on: where its weights come from, and who has them at the first step. */
import type { Plan } from "@lockstep/gradient-sync";
import type { Checkpoint, ParameterState } from "@lockstep/run";
import { areAlike, BEGINNING, newLineage } from "./lineage.ts";
import type { Replicas } from "./replicas.ts";
import type { Roster } from "./roster.ts";

/** Where the weights come from. */
export type Origin =
  | { from: "seed" }
  | { from: "state"; tensors: readonly ParameterState[]; step: number }
  /** From the workers that still hold the weights after so many updates. */
  | { from: "held"; step: number };

export interface Beginning {
  plan: Plan;
  origin: Origin;
  sliceRows?: number | undefined;
}

/** Where they come from if no worker holds them. @param state for --init-from */
export function originOf(resumed: Checkpoint | undefined, state: readonly ParameterState[] | undefined): Origin {
  if (resumed !== undefined) return { from: "state", tensors: resumed.tensors, step: resumed.step };
  return state === undefined ? { from: "seed" } : { from: "state", tensors: state, step: 0 };
}

/** In words, for a run that goes on. */
export function whence({ from, step }: { from: Origin["from"]; step?: number }): string {
  if (from === "held") return "with the weights that workers hold";
  return from === "state" && step !== 0 ? "from the checkpoint" : "from the start: no checkpoint was written yet";
}

/** Starts those who begin, and sends them the weights, if they come from here. Others who are here are to catch up. */
export async function startWorkers(
  { plan, origin }: Beginning,
  { roster, replicas, runId }: { roster: Roster; replicas: Replicas; runId: string },
): Promise<void> {
  const beginners = origin.from === "held" ? roster.holding(runId, origin.step) : roster.all;
  // On unlike devices, nobody here knows which of the replicas that are held were equal before.
  const mayDiffer = origin.from === "held" && !beginners.every((member) => areAlike(member, beginners[0]!));
  for (const member of beginners) {
    member.state = "in";
    member.lineage = mayDiffer ? newLineage() : BEGINNING;
    member.send({ type: "start", ...plan, state: origin.from === "state" ? "follows" : origin.from });
  }
  if (origin.from === "state") await replicas.install(origin.tensors, beginners);
}
