/** The members of a run, by their ids, their states, and the weights that they hold. */
import { LockstepError } from "@lockstep/errors";
import { encode, type Outgoing, type WorkerId } from "@lockstep/gradient-sync";
import type { ReadySession } from "../connections/ready-session.ts";
import { Member, type MemberState } from "./members.ts";

/** Keeps the workers that have joined and are not gone. */
export class Membership {
  readonly #members = new Map<WorkerId, Member>();

  /**
   * Makes a worker a member.
   *
   * @throws LockstepError ERR_NAME if its name is another's, even with its id
   */
  add(session: ReadySession, nowMs: number): Member {
    const { name } = session.hello;
    const names = new Set(this.all.map((member) => member.name));
    const unique = names.has(name) ? `${name}-${session.workerId}` : name;
    if (names.has(unique))
      throw new LockstepError("ERR_NAME", `A worker named ${unique} is here already; choose another --name.`);
    const member = new Member(session, unique, nowMs);
    this.#members.set(member.id, member);
    return member;
  }

  /** Removes a member: it is gone for good. */
  delete(member: Member): void {
    this.#members.delete(member.id);
    member.hasDeparted = true;
  }

  /** Removes all members. */
  clear(): void {
    for (const member of this.all) this.delete(member);
  }

  get(id: WorkerId): Member | undefined {
    return this.#members.get(id);
  }

  get size(): number {
    return this.#members.size;
  }

  get all(): Member[] {
    return [...this.#members.values()];
  }

  in(state: MemberState): Member[] {
    return this.all.filter((member) => member.state === state);
  }

  /** Members that hold the weights of the step under way, or are about to: they hear all that is for everyone. */
  get subscribers(): Member[] {
    return this.all.filter(({ isSubscribed }) => isSubscribed);
  }

  /** Sends a message of a step, encoded once, to the members that it is for. @returns the encoded message */
  send({ to, except, message }: Outgoing): Buffer {
    const bytes = encode(message);
    const recipients = to === "all" ? this.subscribers : this.all.filter(({ id }) => id === to);
    for (const { id, session } of recipients) {
      if (id === except) continue;
      session.send(bytes);
      session.bytesDown += bytes.length;
    }
    return bytes;
  }

  /** Members that hold the weights, the fastest first. */
  get holders(): Member[] {
    const holders = this.all.filter(({ state }) => state === "in" || state === "leaving");
    return holders.sort((a, b) => (b.speed ?? 0) - (a.speed ?? 0));
  }

  /** Members that came with the weights of a run after this many updates. */
  holdersOf(run: string, step: number): Member[] {
    return this.all.filter(({ session: { hello } }) => hello.holds?.run === run && hello.holds.step === step);
  }

  /** The most updates in the weights of a run that members came with; undefined if none came with any. */
  resumableStep(run: string): number | undefined {
    const steps = this.all.flatMap(({ session: { hello } }) => (hello.holds?.run === run ? [hello.holds.step] : []));
    return steps.length === 0 ? undefined : Math.max(...steps);
  }

  /** Whether all members that hold the weights, or are given them, want to leave. */
  get lastLeaves(): boolean {
    const holders = this.all.filter(({ state }) => state !== "waiting");
    return holders.length > 0 && holders.every(({ state }) => state === "leaving");
  }
}
