/**
 * The departures of members: one is lost with its connection, dropped for a reason, or leaves because it asked to.
 * During a step, the round withdraws what the member has not completed, and `decide` assigns those slices to others.
 */
import { type ErrorCode, LockstepError } from "@lockstep/errors";
import type { Member } from "../membership/members.ts";
import type { TeamState } from "./team-state.ts";

/** Callbacks that a departure leads to. */
export interface DeparturesOptions {
  /** Reclaims the work of a member that has departed; `decide` is called afterwards. */
  reclaim: (member: Member) => void;
  /** Decides again which members are dropped and who computes what. */
  decide: () => void;
}

/** Removes members, and enters the phase `lost` when none is left that holds the weights. */
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

  /** Removes a member and closes its connection with the reason. */
  drop(member: Member, code: ErrorCode, reason: string): void {
    this.#remove(member, "dropped", `${member.name} was dropped: ${reason}`);
    member.session.close(code, `The coordinator dropped this worker: ${reason}.`);
  }

  /** Releases a member that has asked to leave. */
  release(member: Member): void {
    member.send({ type: "finished" });
    this.#remove(member, "left", `${member.name} left`);
  }

  /** Releases leaving members that owe nothing any more, and notifies all waits. It is called after every event. */
  update(): void {
    const { condition, membership, streams } = this.#state;
    for (const member of membership.withState("leaving")) {
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

/** Returns the error for a run whose weights no worker holds any more. */
export function allLost(): LockstepError {
  return new LockstepError("ERR_ALL_LOST", "No worker is left that holds the weights.");
}
