/** Assigns subtrees to members and decides which members are eligible. */
import type { MessageOf, Outgoing, StepRound, SubtreeId, WorkerId } from "@lockstep/gradient-sync";
import type { Member } from "../membership/members.ts";
import type { Membership } from "../membership/membership.ts";
import { type AttemptKey, type OutstandingSubtree, OutstandingSubtrees } from "./outstanding-subtrees.ts";

type Contribution = MessageOf<"contribution">;

/** Assigns subtrees to members and measures how long each takes. */
export class Assignments {
  readonly #membership: Membership;
  readonly #nowMs: () => number;
  readonly #outstanding = new OutstandingSubtrees();

  /** @param nowMs a monotonic clock, in milliseconds */
  constructor(membership: Membership, nowMs: () => number) {
    this.#membership = membership;
    this.#nowMs = nowMs;
  }

  /**
   * Returns the members that may get work. Members that are leaving or behind are eligible only if there are no others.
   */
  eligible(step: number): Member[] {
    const here = this.#membership.withState("in");
    const prompt = here.filter((member) => !this.isBehind(member, step));
    return [prompt, here].find(({ length }) => length > 0) ?? this.#membership.withState("leaving");
  }

  /** Returns whether a member still owes a subtree of a step before this one. */
  isBehind({ id }: Member, step: number): boolean {
    return this.#outstanding.isBehind(id, step);
  }

  /** Starts an attempt of a member at each of these subtrees of a step. @returns the message that assigns them */
  assign(member: Member, subtrees: readonly SubtreeId[], round: StepRound): Outgoing {
    const { step } = round.task;
    const sinceMs = this.#nowMs();
    const outgoing = round.assign(member.id, subtrees);
    let queuedSamples = this.openSamples(member);
    for (const subtree of round.subtrees.filter((each) => subtrees.includes(each.id))) {
      const { samples } = subtree;
      queuedSamples += samples;
      const outstanding = { worker: member.id, step, samples, queuedSamples, sinceMs };
      this.#outstanding.add({ step, subtree: subtree.id, attempt: subtree.attemptsMade - 1 }, outstanding);
    }
    return outgoing;
  }

  /** Records that a member has computed a subtree; the subtree may no longer count. */
  contributed(member: Member, { ms, ...attempt }: Contribution): void {
    const outstanding = this.#outstanding.get(member.id, attempt);
    if (outstanding === undefined) return;
    const now = this.#nowMs();
    member.noteProgress(now);
    this.#outstanding.delete(member.id, attempt);
    const computeMs = (ms["data"] ?? 0) + (ms["forward"] ?? 0) + (ms["backward"] ?? 0);
    member.measure(outstanding.samples, {
      tookMs: now - Math.max(outstanding.sinceMs, member.contributedMs),
      computeMs,
    });
    member.contributedMs = now;
  }

  /** Records that a worker's contribution to an attempt was refused. */
  rejected(worker: WorkerId, attempt: AttemptKey): void {
    this.#outstanding.delete(worker, attempt);
  }

  /** Returns the number of training samples that a member was assigned and has not contributed. */
  openSamples({ id }: Member): number {
    return this.#outstanding.samplesOf(id);
  }

  /** Returns the record of an attempt that a worker has not contributed yet. */
  outstanding(worker: WorkerId, attempt: AttemptKey): OutstandingSubtree | undefined {
    return this.#outstanding.get(worker, attempt);
  }

  /** Removes the outstanding subtrees of a member that has departed. */
  remove({ id }: Member): void {
    this.#outstanding.remove(id);
  }

  /** Removes all outstanding subtrees. */
  clear(): void {
    this.#outstanding.clear();
  }
}
