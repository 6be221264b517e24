/**
 * Late joins: workers that join a run between steps. Each gets a snapshot of the weights from another worker, then the
 * messages that all workers received since, as fast as it reads, and is assigned slices once it has caught up. The
 * other workers do not wait for it.
 */
import { encode, type Plan } from "@lockstep/gradient-sync";
import type { LogEvent } from "@lockstep/run/live";
import { type Drop, type Member, sendToAll } from "../membership/members.ts";
import type { Requests } from "../membership/requests.ts";
import { haveSameDevice, newOrigin } from "../membership/state-origin.ts";
import type { StateSpec, StateStreams } from "./state-streams.ts";
import { UpdateLog } from "./update-log.ts";

/** Options of late joins. */
export interface LateJoinOptions {
  streams: StateStreams;
  requests: Requests;
  plan: Plan;
  stateDict: readonly StateSpec[];
  /** Bytes of updates that are buffered while workers read their snapshot. */
  maxLogBytes: number;
  drop: Drop;
  log: LogEvent;
}

/** Brings late joiners to the state of the other workers. */
export class LateJoin {
  readonly #options: LateJoinOptions;
  /** Log of the messages for all, while late joiners do not receive them directly. */
  #updates: UpdateLog | undefined;

  constructor(options: LateJoinOptions) {
    this.#options = options;
  }

  /** Whether a snapshot is being transferred. */
  get busy(): boolean {
    return this.#updates !== undefined;
  }

  /** Records a message for all, which late joiners receive after their snapshot. */
  record(message: Buffer): void {
    this.#updates?.add(message);
  }

  /**
   * Brings waiting members up to date, those with slow links in a later call. It is called between steps while it is
   * not busy. A member that cannot catch up is dropped, and may join again.
   *
   * @param step number of committed updates
   * @param source the member that sends the snapshot
   */
  async catchUp(waiting: readonly Member[], step: number, source: Member): Promise<void> {
    const { plan, maxLogBytes, drop } = this.#options;
    const updates = new UpdateLog(maxLogBytes);
    this.#updates = updates;
    const members = withSimilarLinks(waiting);
    const later = newOrigin();
    for (const member of members) {
      member.startLoading();
      member.origin = haveSameDevice(member, source) ? source.origin : later;
      member.send({ type: "start", ...plan, state: "follows" });
    }
    let caughtUp: boolean;
    try {
      const complete = await this.#sendSnapshot(members, step, updates, source);
      caughtUp = complete && (await this.#sendUpdates(members, step, updates));
    } finally {
      if (this.#updates === updates) this.#updates = undefined; // otherwise it would stay busy for ever
    }
    if (caughtUp) return this.#finish(members);
    for (const member of members.filter(({ hasDeparted }) => !hasDeparted)) {
      if (updates.overflowed)
        drop(member, "ERR_SLOW_READER", "the updates of the run arrived faster than this worker could read them");
      else drop(member, "ERR_STATE_LOST", `${source.name} was lost before it had sent the weights`);
    }
  }

  #sendSnapshot(members: readonly Member[], step: number, updates: UpdateLog, source: Member): Promise<boolean> {
    const { streams, stateDict } = this.#options;
    return streams.request(source, { stateDict, step }, async (piece) => {
      if (!updates.overflowed) await sendToAll(members, encode({ ...piece, type: "load-chunk" }));
    });
  }

  /** Sends the logged updates. @returns whether all were sent; the members then receive all later messages directly */
  async #sendUpdates(members: readonly Member[], step: number, updates: UpdateLog): Promise<boolean> {
    if (updates.overflowed) return false; // the snapshot is incomplete, too
    await sendToAll(members, encode({ type: "load-end", step }));
    for (const message of updates.messages) await sendToAll(members, message); // includes those added meanwhile
    if (updates.overflowed) return false;
    this.#updates = undefined; // no await between the last logged message and this
    for (const member of members) member.startReplaying();
    return true;
  }

  async #finish(members: readonly Member[]): Promise<void> {
    for (const member of (await this.#options.requests.ask(members, { type: "sync" })).keys()) {
      member.activate();
      this.#options.log(`${member.name} has caught up and is assigned slices`, "caught-up", { worker: member.name });
    }
  }
}

/**
 * Returns the members whose links are at least half as fast as the fastest, since a snapshot
 * goes at the slowest's pace.
 */
function withSimilarLinks(members: readonly Member[]): Member[] {
  const speedOf = ({ session }: Member) => session.ready.linkBytesPerSecond;
  const fastest = Math.max(...members.map(speedOf));
  return members.filter((member) => speedOf(member) >= fastest / 2);
}
