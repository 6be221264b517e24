/** Requests to workers, to which they reply once they have handled all earlier messages. */
import type { MessageOf, WorkerMessage } from "@lockstep/gradient-sync";
import type { Condition } from "./condition.ts";
import type { Member } from "./members.ts";

type Request = MessageOf<"sync" | "digest" | "load-end">;

/** The type of the reply to each type of request. */
const REPLIES = { sync: "synced", digest: "digest-result", "load-end": "loaded" } as const;

/** The type of a worker's reply to a request. */
export type ReplyType = (typeof REPLIES)[Request["type"]];
/** A worker's reply of one type. */
export type Reply<Type extends ReplyType = ReplyType> = Extract<WorkerMessage, { type: Type }>;

/** The callbacks of expected replies. A member is sent one request of a type at a time. */
type Pending = { readonly [Type in ReplyType]: Map<Member, (reply: Reply<Type>) => void> };

/** Sends requests to workers and collects their replies. */
export class Requests {
  readonly #condition: Condition;
  readonly #nowMs: () => number;
  readonly #pending: Pending = { synced: new Map(), "digest-result": new Map(), loaded: new Map() };

  constructor(condition: Condition, nowMs: () => number) {
    this.#condition = condition;
    this.#nowMs = nowMs;
  }

  /**
   * Sends a request to each member and waits until each has replied or departed.
   *
   * @returns the replies, in the order of the members
   */
  async ask<Type extends Request["type"]>(
    members: readonly Member[],
    request: Extract<Request, { type: Type }>,
  ): Promise<Map<Member, Reply<(typeof REPLIES)[Type]>>> {
    const type: Type = request.type;
    const pending: Map<Member, (reply: Reply<(typeof REPLIES)[Type]>) => void> = this.#pending[REPLIES[type]];
    const replies = new Map<Member, Reply<(typeof REPLIES)[Type]>>();
    for (const member of members) {
      pending.set(member, (reply) => replies.set(member, reply));
      member.noteProgress(this.#nowMs());
      member.send(request);
    }
    try {
      await this.#condition.wait(() => members.every((member) => replies.has(member) || member.hasDeparted));
    } finally {
      for (const member of members) pending.delete(member);
    }
    return new Map(members.flatMap((member) => entryOf(replies, member)));
  }

  /** Returns whether this member has not replied to a request yet. */
  isPending(member: Member): boolean {
    return Object.values(this.#pending).some((pending) => pending.has(member));
  }

  /** Handles a reply. @returns whether it was expected */
  onReply<Type extends ReplyType>(type: Type, member: Member, reply: Reply<Type>): boolean {
    const pending: Map<Member, (reply: Reply<Type>) => void> = this.#pending[type];
    const settle = pending.get(member);
    pending.delete(member);
    settle?.(reply);
    return settle !== undefined;
  }
}

function entryOf<Key, Value>(map: ReadonlyMap<Key, Value>, key: Key): [Key, Value][] {
  const value = map.get(key);
  return value === undefined ? [] : [[key, value]];
}
