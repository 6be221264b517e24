/** Runs evaluations: assigns their ranges to members as they become free. */
import { LockstepError } from "@lockstep/errors";
import type { MessageOf } from "@lockstep/gradient-sync";
import type { EvaluateTask, Evaluation } from "@lockstep/run";
import type { Member } from "../membership/members.ts";
import type { Violations } from "../membership/violations.ts";
import { EvaluationRound } from "../step/evaluation-round.ts";
import type { ActiveRun } from "./active-run.ts";
import type { TeamState } from "./team-state.ts";

/** Assigns the ranges of an evaluation and collects their results. */
export class EvaluationRunner {
  readonly #state: TeamState;
  readonly #violations: Violations;
  /** Number of ranges requested so far; also the next request id. */
  #ranges = 0;

  constructor(state: TeamState, violations: Violations) {
    this.#state = state;
    this.#violations = violations;
  }

  /**
   * Evaluates all samples of a split on the members that are eligible, which may change meanwhile.
   *
   * @returns undefined if `signal` aborted before the end
   * @throws LockstepError ERR_ALL_LOST when no worker holds the weights any more
   */
  async run({ split, samples }: EvaluateTask, run: ActiveRun, signal: AbortSignal): Promise<Evaluation | undefined> {
    const { condition, phase } = this.#state;
    const round = new EvaluationRound(samples, run.numClasses, this.#ranges);
    this.#ranges += round.ranges;
    phase.enter({ name: "evaluating", run, round });
    try {
      await condition.wait(() => {
        if (!signal.aborted) this.#assignRanges(split, round);
        return round.done || signal.aborted;
      });
    } finally {
      phase.rest();
    }
    return round.done ? round.total() : undefined;
  }

  /** Handles a result. @throws LockstepError ERR_ATTEMPT if it was never requested */
  onEvaluation(member: Member, result: MessageOf<"evaluation">): void {
    const { request } = result;
    if (request >= this.#ranges) {
      const text = `The coordinator has not requested evaluation ${request}.`;
      throw new LockstepError("ERR_ATTEMPT", text);
    }
    const round = this.#state.phase.evaluationRound;
    if (round === undefined) return; // the evaluation was stopped
    const refused = round.add(member.id, result);
    if (refused === undefined) this.#state.progressed(member);
    else this.#violations.refused(member, { reason: refused });
  }

  /** Frees the ranges of a member that has departed. */
  withdraw({ id }: Member): void {
    this.#state.phase.evaluationRound?.withdraw(id);
  }

  #assignRanges(split: EvaluateTask["split"], round: EvaluationRound): void {
    const { eligible, options } = this.#state;
    round.settle(eligible.map(({ id }) => id));
    for (const member of eligible) {
      const owed = this.#state.owes(member);
      const ranges = round.assign(member.id);
      if (!owed && ranges.length > 0) member.noteProgress(options.nowMs());
      for (const range of ranges) member.send({ type: "evaluate", part: split, ...range });
    }
  }
}
