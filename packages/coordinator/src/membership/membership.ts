/** The members of a run, by id, by state, and by the weights that they hold. */
import { LockstepError } from "@lockstep/errors";
import { encode, type Outgoing, type WorkerId } from "@lockstep/gradient-sync";
import type { ReadySession } from "../connections/ready-session.ts";
import { Member, type MemberState } from "./members.ts";

/** The set of workers that have joined and not departed. */
export class Membership {
  readonly #members = new Map<WorkerId, Member>();

  /**
   * Adds a worker. If its name is taken, its id is appended to the name.
   *
   * @throws LockstepError ERR_NAME if that name is taken as well
   */
  add(session: ReadySession, nowMs: number): Member {
    const { name } = session.hello;
    const names = new Set(this.all.map((member) => member.name));
    const unique = names.has(name) ? `${name}-${session.workerId}` : name;
    if (names.has(unique))
      throw new LockstepError("ERR_NAME", `A worker named ${unique} has joined already; choose another --name.`);
    const member = new Member(session, unique, nowMs);
    this.#members.set(member.id, member);
    return member;
  }

  /** Removes a member for good. */
  delete(member: Member): void {
    this.#members.delete(member.id);
    member.hasDeparted = true;
  }

  /** Removes all members. */
  clear(): void {
    for (const member of this.all) this.delete(member);
  }

  /** Returns the member with this id, if there is one. */
  get(id: WorkerId): Member | undefined {
    return this.#members.get(id);
  }

  /** Number of members. */
  get size(): number {
    return this.#members.size;
  }

  /** All members, in the order in which they joined. */
  get all(): Member[] {
    return [...this.#members.values()];
  }

  /** Returns the members in this state. */
  withState(state: MemberState): Member[] {
    return this.all.filter((member) => member.state === state);
  }

  /**
   * Members that receive the messages that are for all: those that hold the current weights or are replaying updates.
   */
  get subscribers(): Member[] {
    return this.all.filter(({ isSubscribed }) => isSubscribed);
  }

  /** Encodes a message of a step once and sends it to its recipients. @returns the encoded message */
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

  /** Members that hold the current weights, fastest first. */
  get holders(): Member[] {
    const holders = this.all.filter(({ state }) => state === "in" || state === "leaving");
    return holders.sort((a, b) => (b.speed ?? 0) - (a.speed ?? 0));
  }

  /** Returns the members that joined with the weights of a run after this many updates. */
  holdersOf(run: string, step: number): Member[] {
    return this.all.filter(({ session: { hello } }) => hello.holds?.run === run && hello.holds.step === step);
  }

  /** Returns the latest step whose weights members of a run joined with; undefined if none joined with weights. */
  resumableStep(run: string): number | undefined {
    const steps = this.all.flatMap(({ session: { hello } }) => (hello.holds?.run === run ? [hello.holds.step] : []));
    return steps.length === 0 ? undefined : Math.max(...steps);
  }

  /** Whether all members that hold weights, or are being sent them, are leaving. */
  get lastLeaves(): boolean {
    const holders = this.all.filter(({ state }) => state !== "waiting");
    return holders.length > 0 && holders.every(({ state }) => state === "leaving");
  }
}
