/** How a run begins, or goes on: where its weights come from, and who has them at the first step. */
import type { Plan } from "@lockstep/gradient-sync";
import type { ParameterState } from "@lockstep/run";
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

/** Starts those who begin, and sends them the weights, if they come from here. The others who are here are to catch up. */
export async function startWorkers(
  { plan, origin }: Beginning,
  { roster, replicas, runId }: { roster: Roster; replicas: Replicas; runId: string },
): Promise<void> {
  const beginners = origin.from === "held" ? roster.holding(runId, origin.step) : roster.all;
  for (const member of beginners) {
    member.state = "in";
    member.send({ type: "start", ...plan, state: origin.from === "state" ? "follows" : origin.from });
  }
  if (origin.from === "state") await replicas.install(origin.tensors, beginners);
}
