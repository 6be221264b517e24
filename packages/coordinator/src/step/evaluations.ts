/** Evaluations, one at a time: each of its ranges goes to a worker that has time. */
import { LockstepError } from "@lockstep/errors";
import type { WorkerMessage } from "@lockstep/gradient-sync";
import type { EvaluateTask, Evaluation } from "@lockstep/run";
import type { Member } from "../membership/members.ts";
import type { Condition } from "../team/condition.ts";
import { EvaluationRound } from "./evaluation-round.ts";

export interface EvaluationOptions {
  /** Of the model. */
  classes: number;
  /** Who may compute it, as it goes on. */
  able: () => readonly Member[];
  signal: AbortSignal;
}

export class Evaluations {
  readonly #condition: Condition;
  #round: EvaluationRound | undefined;
  /** Number of ranges requested so far; also the next request id. */
  #ranges = 0;

  constructor(condition: Condition) {
    this.#condition = condition;
  }

  /** @returns undefined if it was stopped */
  async evaluate(
    { part, samples }: Pick<EvaluateTask, "part" | "samples">,
    { classes, able, signal }: EvaluationOptions,
  ): Promise<Evaluation | undefined> {
    const round = new EvaluationRound(samples, classes, this.#ranges);
    this.#ranges += round.ranges;
    this.#round = round;
    try {
      await this.#condition.wait(() => {
        if (!signal.aborted) giveRanges(part, round, able());
        return round.done || signal.aborted;
      });
    } finally {
      this.#round = undefined;
    }
    return round.done ? round.total() : undefined;
  }

  /**
   * @returns whether it was waited for, and why it is refused, if it is
   * @throws LockstepError ERR_ATTEMPT for an answer that nobody has asked for
   */
  take(
    worker: number,
    message: Extract<WorkerMessage, { type: "evaluation" }>,
  ): { awaited: boolean; refused?: string | undefined } {
    if (message.request >= this.#ranges) {
      throw new LockstepError(
        "ERR_ATTEMPT",
        `The coordinator has not asked for an evaluation under number ${message.request}.`,
      );
    }
    if (this.#round === undefined) return { awaited: false }; // it was stopped
    return { awaited: true, refused: this.#round.take(worker, message) };
  }

  /** Samples that a worker was given and has not evaluated. */
  openSamples(worker: number): number {
    return this.#round?.openSamples(worker) ?? 0;
  }

  lose(worker: number): void {
    this.#round?.lose(worker);
  }

  /** Nobody waits for the one under way any more. */
  drop(): void {
    this.#round = undefined;
  }
}

function giveRanges(part: EvaluateTask["part"], round: EvaluationRound, able: readonly Member[]): void {
  round.settle(able.map(({ id }) => id));
  for (const member of able) {
    for (const range of round.give(member.id)) member.send({ type: "evaluate", part, ...range });
  }
}
