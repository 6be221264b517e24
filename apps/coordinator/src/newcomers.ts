/**
 * Workers that join a run under way. Each gets a snapshot of the weights from a worker that has them, then all that was
 * told to everyone since, and takes slices once it has caught up. Nobody waits for it.
 */
import { encode, type Plan } from "@lockstep/gradient-sync";
import { type Member, sendToAll } from "./members.ts";
import type { Questions } from "./questions.ts";
import type { StateSpec, StateStreams } from "./state-streams.ts";
import { UpdateLog } from "./update-log.ts";

export interface NewcomersOptions {
  streams: StateStreams;
  questions: Questions;
  plan: Plan;
  stateDict: readonly StateSpec[];
  /** Bytes of updates that are kept for them. */
  maxLogBytes: number;
  log: (line: string) => void;
}

export class Newcomers {
  readonly #options: NewcomersOptions;
  /** Of what is told to everyone, while a snapshot is on its way. */
  #updates: UpdateLog | undefined;

  constructor(options: NewcomersOptions) {
    this.#options = options;
  }

  /** Whether a snapshot is on its way. */
  get busy(): boolean {
    return this.#updates !== undefined;
  }

  /** What is told to everyone: newcomers hear it after their snapshot. */
  told(message: Buffer): void {
    this.#updates?.add(message);
  }

  /**
   * Between steps, and unless others are being brought in: brings in those who wait.
   *
   * @param step updates that have been told to everyone
   * @param source of the snapshot
   */
  async bringIn(waiting: readonly Member[], step: number, source: () => Member): Promise<void> {
    const updates = new UpdateLog(this.#options.maxLogBytes);
    this.#updates = updates;
    for (const member of waiting) {
      member.state = "loading";
      member.send({ type: "start", ...this.#options.plan, state: "follows" });
    }
    const whole = await this.#sendSnapshot(waiting, updates, source());
    this.#updates = undefined;
    if (whole) await this.#replay(waiting, step, updates);
    else for (const member of waiting) member.state = "waiting"; // until the next step begins
  }

  async #sendSnapshot(members: readonly Member[], updates: UpdateLog, source: Member): Promise<boolean> {
    const { streams, stateDict, log } = this.#options;
    const whole = await streams.request(source, stateDict, async (piece) => {
      if (!updates.overflowed) await sendToAll(members, { ...piece, type: "load-chunk" });
    });
    if (updates.overflowed) log("a snapshot for a worker that joins came too late; a new one is taken");
    return whole && !updates.overflowed;
  }

  async #replay(members: readonly Member[], step: number, updates: UpdateLog): Promise<void> {
    const loadEnd = encode({ type: "load-end", step });
    for (const member of members) {
      for (const bytes of [loadEnd, ...updates.messages]) member.session.send(bytes);
      member.state = "replaying"; // from now on it hears what everyone hears
    }
    for (const member of (await this.#options.questions.ask(members, { type: "sync" })).keys()) {
      member.state = "in";
      this.#options.log(`${member.name} has caught up, and takes slices`);
    }
  }
}
