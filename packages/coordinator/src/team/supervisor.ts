/** Carries out the decisions of `decide`: drops silent and stalled members, and assigns their subtrees to others. */
import { type Decision, decide } from "../membership/decide.ts";
import type { Drop } from "../membership/members.ts";
import type { StepRunner } from "./step-runner.ts";
import type { TeamState } from "./team-state.ts";
import { teamView } from "./team-view.ts";

/** Decides on the team and carries out the decisions. */
export class Supervisor {
  readonly #state: TeamState;
  readonly #steps: StepRunner;
  readonly #drop: Drop;
  #now: "idle" | "deciding" | "decide-again" = "idle";

  constructor(state: TeamState, { steps, drop }: { steps: StepRunner; drop: Drop }) {
    this.#state = state;
    this.#steps = steps;
    this.#drop = drop;
  }

  /** Decides and acts. A call that results from an action is deferred until the current decisions are carried out. */
  decide(): void {
    if (this.#now !== "idle") {
      this.#now = "decide-again";
      return;
    }
    const { options } = this.#state;
    try {
      do {
        this.#now = "deciding";
        for (const decision of decide(options.nowMs(), teamView(this.#state), options)) this.#carryOut(decision);
      } while (this.#isToDecideAgain());
    } finally {
      this.#now = "idle";
    }
  }

  #isToDecideAgain(): boolean {
    return this.#now === "decide-again";
  }

  #carryOut(decision: Decision): void {
    const { membership } = this.#state;
    switch (decision.type) {
      case "drop": {
        const member = membership.get(decision.worker);
        if (member !== undefined) this.#drop(member, decision.code, decision.reason);
        return;
      }
      case "assign": {
        const member = membership.get(decision.worker); // an earlier decision may have dropped it
        if (member !== undefined) this.#steps.reassign(decision.subtree, member, decision.reason);
        return;
      }
      case "diverged":
        this.#steps.diverged();
    }
  }
}
