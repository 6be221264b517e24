/** Carries out what `decide` says: drops members that are silent or stalled, and gives their slices to others. */
import { type Decision, decide } from "../membership/decide.ts";
import type { Drop } from "./departures.ts";
import type { StepRunner } from "./step-runner.ts";
import type { TeamState } from "./team-state.ts";
import { teamView } from "./team-view.ts";

/** Looks at the time and at the team, and acts. */
export class Supervisor {
  readonly #state: TeamState;
  readonly #steps: StepRunner;
  readonly #drop: Drop;
  #now: "idle" | "deciding" | "to decide again" = "idle";

  constructor(state: TeamState, { steps, drop }: { steps: StepRunner; drop: Drop }) {
    this.#state = state;
    this.#steps = steps;
    this.#drop = drop;
  }

  /** What is carried out may call for another decision: that is then made afterwards, not in between. */
  decide(): void {
    if (this.#now !== "idle") {
      this.#now = "to decide again";
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
    return this.#now === "to decide again";
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
        const member = membership.get(decision.worker); // it may have been dropped by the decision before this one
        if (member !== undefined) this.#steps.reassign(decision.slice, member, decision.reason);
        return;
      }
      case "diverged":
        this.#steps.diverged();
    }
  }
}
