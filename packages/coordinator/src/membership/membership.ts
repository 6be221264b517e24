/** The workers that are here, by what they hold. */
import { LockstepError } from "@lockstep/errors";
import { encode, type Outgoing } from "@lockstep/gradient-sync";
import type { ReadySession } from "../connections/ready-session.ts";
import { Member, type MemberState } from "./members.ts";

export class Membership {
  readonly #members = new Map<number, Member>();

  /** @throws LockstepError ERR_NAME if its name is another's, even with its number */
  add(session: ReadySession, nowMs: number): Member {
    const { name } = session.hello;
    const taken = new Set(this.all.map((member) => member.name));
    const own = taken.has(name) ? `${name}-${session.workerId}` : name;
    if (taken.has(own))
      throw new LockstepError("ERR_NAME", `A worker named ${own} is here already; choose another --name.`);
    const member = new Member(session, own, nowMs);
    this.#members.set(member.id, member);
    return member;
  }

  delete(member: Member): void {
    this.#members.delete(member.id);
    member.gone = true;
  }

  clear(): void {
    for (const member of this.all) this.delete(member);
  }

  get(id: number): Member | undefined {
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

  /** Who hears all that is for all. */
  get followers(): Member[] {
    return this.all.filter(({ follows }) => follows);
  }

  /** Sends what a step has to say, encoded once, to those whom it is for. @returns its bytes */
  tell({ to, except, message }: Outgoing): Buffer {
    const bytes = encode(message);
    const hearers = to === "all" ? this.followers : this.all.filter(({ id }) => id === to);
    for (const { id, session } of hearers) {
      if (id === except) continue;
      session.send(bytes);
      session.bytesDown += bytes.length;
    }
    return bytes;
  }

  /** Those who have the weights, the fastest first. */
  get holders(): Member[] {
    const holders = this.all.filter(({ state }) => state === "in" || state === "leaving");
    return holders.sort((a, b) => (b.speed ?? 0) - (a.speed ?? 0));
  }

  /** Those who came with the weights of a run after so many updates. */
  holding(run: string, step: number): Member[] {
    return this.all.filter(({ session: { hello } }) => hello.holds?.run === run && hello.holds.step === step);
  }

  /** The most updates that those who came with weights of a run have, if any did. */
  heldStep(run: string): number | undefined {
    const steps = this.all.flatMap(({ session: { hello } }) => (hello.holds?.run === run ? [hello.holds.step] : []));
    return steps.length === 0 ? undefined : Math.max(...steps);
  }

  /** Whether all who hold the weights want to leave. */
  get lastLeaves(): boolean {
    const holders = this.all.filter(({ state }) => state !== "waiting");
    return holders.length > 0 && holders.every(({ state }) => state === "leaving");
  }
}
