/**
 * How members go: lost with their connection, dropped for a reason, or left because they asked to. In the midst of a step
 * the round withdraws what the member has not completed, and `decide` gives those slices to others.
 */
import { type ErrorCode, LockstepError } from "@lockstep/errors";
import type { Member } from "../membership/members.ts";
import type { TeamState } from "./team-state.ts";

/** Drops a member, and tells it why. */
export type Drop = (member: Member, code: ErrorCode, reason: string) => void;

/** Callbacks that a departure leads to. */
export interface DeparturesOptions {
  /** Takes back what a member that is gone was given; what it leaves behind is decided afterwards. */
  reclaim: (member: Member) => void;
  /** Decides again who is gone and who computes what. */
  decide: () => void;
}

/** Removes members, and ends the run when none is left that holds the weights. */
export class Departures {
  readonly #state: TeamState;
  readonly #options: DeparturesOptions;

  constructor(state: TeamState, options: DeparturesOptions) {
    this.#state = state;
    this.#options = options;
  }

  /** Removes a member whose connection has ended. */
  disconnect(member: Member, reason: string): void {
    this.#remove(member, "lost", `${member.name} was lost: ${reason}`);
  }

  /** Removes a member, and closes its connection with the reason. */
  drop(member: Member, code: ErrorCode, reason: string): void {
    this.#remove(member, "dropped", `${member.name} was dropped: ${reason}`);
    member.session.close(code, `The coordinator dropped this worker: ${reason}.`);
  }

  /** Lets a member go that has asked to leave. */
  release(member: Member): void {
    member.send({ type: "finished" });
    this.#remove(member, "left", `${member.name} left`);
  }

  /** Something has happened: members that leave and owe nothing any more are released, and those who wait are notified. */
  update(): void {
    const { condition, membership, streams } = this.#state;
    for (const member of membership.in("leaving")) {
      const owes = this.#state.openSamples(member) > 0 || streams.isSource(member);
      const isLast = !membership.subscribers.some((other) => other !== member);
      if (!owes && !isLast) this.release(member);
    }
    condition.notify();
  }

  #remove(member: Member, kind: "lost" | "dropped" | "left", line: string): void {
    if (member.hasDeparted) return;
    const { assignments, membership, options, streams } = this.#state;
    membership.delete(member);
    options.log(`${line} (${this.#state.memberCount})`, kind, { worker: member.name });
    assignments.remove(member);
    streams.cancel(member);
    this.#options.reclaim(member);
    this.#endIfAllLost();
    this.#options.decide();
    this.update();
  }

  #endIfAllLost(): void {
    const { condition, membership, phase } = this.#state;
    if (phase.run === undefined || membership.subscribers.length > 0) return;
    phase.enter({ name: "lost" });
    condition.fail(condition.failure ?? allLost());
  }
}

/** Returns the error of a run whose weights nobody holds any more. */
export function allLost(): LockstepError {
  return new LockstepError("ERR_ALL_LOST", "No worker is left that holds the weights.");
}
