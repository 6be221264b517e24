/**
 * Workers that join a run under way. Each gets a snapshot of the weights from a worker that has them, then all that was
 * told to everyone since, as fast as it reads, and takes slices once it has caught up. Nobody waits for it.
 */
import type { ErrorCode } from "@lockstep/errors";
import { encode, type Plan } from "@lockstep/gradient-sync";
import type { LogEvent } from "@lockstep/run/live";
import { type Member, sendToAll } from "../membership/members.ts";
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
  /** Bytes of updates that are kept for workers that read their snapshot. */
  maxLogBytes: number;
  drop: (member: Member, code: ErrorCode, reason: string) => void;
  log: LogEvent;
}

/** Brings workers that join a run under way to the state of the others. */
export class LateJoin {
  readonly #options: LateJoinOptions;
  /** Log of what is told to everyone, while late joiners do not hear it themselves. */
  #updates: UpdateLog | undefined;

  constructor(options: LateJoinOptions) {
    this.#options = options;
  }

  /** Whether a snapshot is on its way. */
  get busy(): boolean {
    return this.#updates !== undefined;
  }

  /** Records what is told to everyone: late joiners hear it after their snapshot. */
  record(message: Buffer): void {
    this.#updates?.add(message);
  }

  /**
   * Has waiting members catch up, the ones with slow links after the others. Called between steps, unless it is busy. A
   * member that cannot catch up is dropped, and may come again.
   *
   * @param step updates that have been told to everyone
   * @param source of the snapshot
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
      if (this.#updates === updates) this.#updates = undefined; // else whoever waits is never brought in
    }
    if (caughtUp) return this.#finish(members);
    for (const member of members.filter(({ hasDeparted: gone }) => !gone)) {
      if (updates.overflowed) drop(member, "ERR_SLOW_READER", "the run made updates faster than this worker read them");
      else drop(member, "ERR_STATE_LOST", `${source.name} was lost before it had sent the weights`);
    }
  }

  #sendSnapshot(members: readonly Member[], step: number, updates: UpdateLog, source: Member): Promise<boolean> {
    const { streams, stateDict } = this.#options;
    return streams.request(source, { stateDict, step }, async (piece) => {
      if (!updates.overflowed) await sendToAll(members, encode({ ...piece, type: "load-chunk" }));
    });
  }

  /** @returns whether they have had all updates; then they hear what everyone hears, from the next one on */
  async #sendUpdates(members: readonly Member[], step: number, updates: UpdateLog): Promise<boolean> {
    if (updates.overflowed) return false; // nor have they had all of the snapshot
    await sendToAll(members, encode({ type: "load-end", step }));
    for (const message of updates.messages) await sendToAll(members, message); // and those that are added meanwhile
    if (updates.overflowed) return false;
    this.#updates = undefined; // nothing may happen between the last of the log and this
    for (const member of members) member.startReplaying();
    return true;
  }

  async #finish(members: readonly Member[]): Promise<void> {
    for (const member of (await this.#options.requests.ask(members, { type: "sync" })).keys()) {
      member.activate();
      this.#options.log(`${member.name} has caught up, and takes slices`, "caught-up", { worker: member.name });
    }
  }
}

/** Those whose links are at least half as fast as the fastest: all get a snapshot at the pace of the slowest of them. */
function withSimilarLinks(members: readonly Member[]): Member[] {
  const speedOf = ({ session }: Member) => session.ready.linkBytesPerSecond;
  const fastest = Math.max(...members.map(speedOf));
  return members.filter((member) => speedOf(member) >= fastest / 2);
}
