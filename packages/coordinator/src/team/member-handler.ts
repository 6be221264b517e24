/** Dispatches the messages of one member, from its admission on, to the parts of the team. */
import { LockstepError } from "@lockstep/errors";
import type { WorkerMessage } from "@lockstep/gradient-sync";
import type { Member } from "../membership/members.ts";
import type { Reply, ReplyType } from "../membership/requests.ts";
import type { Departures } from "./departures.ts";
import type { EvaluationRunner } from "./evaluation-runner.ts";
import type { StepRunner } from "./step-runner.ts";
import type { TeamState } from "./team-state.ts";

/** The parts of a team that handle messages. */
export interface MessageTargets {
  state: TeamState;
  steps: StepRunner;
  evaluations: EvaluationRunner;
  departures: Departures;
}

/** Handles the messages of one member. */
export class MemberHandler {
  readonly #member: Member;
  readonly #targets: MessageTargets;

  constructor(member: Member, targets: MessageTargets) {
    this.#member = member;
    this.#targets = targets;
  }

  /**
   * Handles a message. One that arrives after its member has departed is ignored.
   *
   * @throws LockstepError if the member may not send the message now; the caller closes its connection
   */
  onMessage(message: WorkerMessage): void {
    if (this.#member.hasDeparted) return;
    this.#dispatch(message);
    this.#targets.departures.update();
  }

  #dispatch(message: WorkerMessage): void {
    const member = this.#member;
    const { state, steps, evaluations } = this.#targets;
    switch (message.type) {
      case "gradient-chunk":
        steps.onChunk(member, message);
        break;
      case "contribution":
        steps.onContribution(member, message);
        break;
      case "evaluation":
        evaluations.onEvaluation(member, message);
        break;
      case "state-chunk":
        state.streams.onChunk(member, message);
        break;
      case "state-end":
        state.streams.onEnd(member, message);
        break;
      case "leaving":
        this.#onLeaving();
        break;
      case "synced":
        this.#onReply(message.type, message);
        break;
      case "digest-result":
        this.#onReply(message.type, message);
        break;
      case "loaded":
        this.#onReply(message.type, message);
        break;
      default:
        throw new LockstepError("ERR_MESSAGE_ORDER", `A worker that has joined may not send ${message.type}.`);
    }
  }

  #onLeaving(): void {
    const member = this.#member;
    if (member.state === "in") member.leave();
    else if (member.state !== "leaving") this.#targets.departures.release(member);
  }

  #onReply<Type extends ReplyType>(type: Type, reply: Reply<Type>): void {
    const { state } = this.#targets;
    if (state.requests.onReply(type, this.#member, reply)) state.progressed(this.#member);
    else if (type !== "loaded") {
      throw new LockstepError("ERR_MESSAGE_ORDER", `The coordinator has not requested a ${type}.`);
    } // a member that the run starts with loads its state without a request
  }
}
