/** What workers are asked, and answer when they have done all that they were told before. */
import type { CoordinatorMessage, WorkerMessage } from "@lockstep/gradient-sync";
import type { Member } from "../membership/members.ts";
import type { Waiters } from "./waiters.ts";

type Question = Extract<CoordinatorMessage, { type: "sync" | "digest" | "load-end" }>;
export type Answer = Extract<WorkerMessage, { type: "synced" | "digest-result" | "loaded" }>;

const ANSWERS = { sync: "synced", digest: "digest-result", "load-end": "loaded" } as const;

export class Questions {
  readonly #waiters: Waiters;
  readonly #nowMs: () => number;
  /** Who owes which answer; by worker and type of answer, since a worker is asked one at a time. */
  readonly #owed = new Map<string, (answer: Answer) => void>();

  constructor(waiters: Waiters, nowMs: () => number) {
    this.#waiters = waiters;
    this.#nowMs = nowMs;
  }

  /**
   * Waits until each has answered or is gone.
   *
   * @returns the answers of those who have, in the order of those asked
   */
  async ask<Asked extends Question>(
    members: readonly Member[],
    question: Asked,
  ): Promise<Map<Member, Extract<Answer, { type: (typeof ANSWERS)[Asked["type"]] }>>> {
    const answers = new Map<Member, Extract<Answer, { type: (typeof ANSWERS)[Asked["type"]] }>>();
    for (const member of members) {
      const key = keyOf(member, ANSWERS[question.type]);
      this.#owed.set(key, (answer) =>
        answers.set(member, answer as typeof answers extends Map<Member, infer A> ? A : never),
      );
      member.progressMs = this.#nowMs();
      member.send(question);
    }
    try {
      await this.#waiters.until(() => members.every((member) => answers.has(member) || member.gone));
      return new Map(members.flatMap((member) => (answers.has(member) ? [[member, answers.get(member)!]] : [])));
    } finally {
      for (const member of members) this.#owed.delete(keyOf(member, ANSWERS[question.type]));
    }
  }

  /** Whether this worker was asked something that it has not answered. */
  owes(member: Member): boolean {
    return Object.values(ANSWERS).some((type) => this.#owed.has(keyOf(member, type)));
  }

  /** @returns whether someone asked for it */
  take(member: Member, answer: Answer): boolean {
    const key = keyOf(member, answer.type);
    const owed = this.#owed.get(key);
    this.#owed.delete(key);
    owed?.(answer);
    return owed !== undefined;
  }
}

const keyOf = ({ id }: Member, type: Answer["type"]) => `${id}/${type}`;
