/** One step of the exchange through a coordinator, from the assigned slices to the committed update. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { tf } from "@lockstep/engine";
import { at, LockstepError } from "@lockstep/errors";
import {
  type AttemptId,
  assignedSubtrees,
  type CoordinatorMessage,
  decodeInto,
  type Layout,
  type MessageOf,
  StepAssembly,
  type SubtreeRange,
  slicesIn,
} from "@lockstep/gradient-sync";
import type { BatchGradient, LapClock, Slice, SliceSink, Update } from "@lockstep/training";
import type { Connection } from "../connection/connection.ts";
import { Dismissed, type Inbox } from "../connection/inbox.ts";
import { assertAttempts } from "../message-checks.ts";
import { PrecomputedGradients } from "./precomputed-gradients.ts";
import { SubtreeSender } from "./subtree-sender.ts";

/** State that the steps of one session share. */
export interface ExchangeContext {
  connection: Connection;
  inbox: Inbox;
  layout: Layout;
  clock: LapClock;
}

/** `open` while slices are computed and sums arrive, `committed` when the update is final. */
type StepState = { name: "open" } | { name: "committed"; commit: MessageOf<"commit"> };

/** Sends this worker's contributions to a step and assembles the update. */
export class StepExchange {
  readonly #context: ExchangeContext;
  readonly #assigned: MessageOf<"assign">;
  /** All subtrees of the step. */
  readonly #subtrees: readonly SubtreeRange[];
  /** This worker's attempts. More are assigned when other workers disconnect. */
  readonly #attempts: AttemptId[];
  readonly #assembly: StepAssembly;
  readonly #precomputed: PrecomputedGradients;
  /** Senders of this worker's attempts. The coordinator may request chunks of them again until the commit. */
  readonly #senders: SubtreeSender[] = [];
  #state: StepState = { name: "open" };

  /** @param dense receives the dense sums */
  constructor(context: ExchangeContext, assigned: MessageOf<"assign">, dense: Float32Array<ArrayBuffer>) {
    this.#context = context;
    this.#assigned = assigned;
    this.#subtrees = assignedSubtrees(assigned);
    this.#attempts = [...assigned.attempts];
    const samples = this.#subtrees.map(({ start, end }) => end - start);
    this.#assembly = new StepAssembly(context.layout, samples, dense);
    this.#precomputed = new PrecomputedGradients(context.layout, this.#assembly);
  }

  /** Yields this worker's slices as they are assigned, and ends with the commit. */
  async *slices(): AsyncGenerator<Slice> {
    const { inbox, clock } = this.#context;
    while (this.#state.name === "open") {
      for (const attempt of this.#attempts.filter((one) => !this.#wasSent(one))) yield* this.#slicesOf(attempt);
      if (await this.#precompute()) continue;
      const message = await inbox.next(); // factors of other workers, sums, more subtrees, the commit
      clock.lap("wait");
      this.#handle(message);
    }
  }

  /** Returns the receiver of the gradients of the slice that `slices` has yielded last. */
  sink(): SliceSink {
    return at(this.#senders, -1);
  }

  /**
   * Returns the sums of all slices of the committed step.
   *
   * @throws LockstepError ERR_COMMIT if a subtree is missing
   */
  update(): Update {
    if (this.#state.name !== "committed")
      throw new Error("Expected the step to be committed before its update is read.");
    const { step, attempts, samples, lossSum, correct } = this.#state.commit;
    const { rows } = this.#assembly;
    if (samples !== rows) {
      const text = `Expected step ${step} to be committed with ${rows} samples, got ${samples}.`;
      throw new LockstepError("ERR_COMMIT", text);
    }
    const part = this.#assembly.complete(step, attempts);
    const gradients = this.#context.layout.places.map((place, index): BatchGradient => {
      if (place.form === "dense") {
        const values = part(0).subarray(place.offset, place.offset + place.elements);
        return { form: "dense", sum: tf.tensor(values, place.shape) };
      }
      const mean = this.#precomputed.pop(index, attempts);
      if (mean !== undefined) return { form: "mean", mean };
      const input = tf.tensor2d(part(place.inputPart), [rows, place.inputs]);
      return { form: "factored", input, delta: tf.tensor2d(part(place.deltaPart), [rows, place.outputs]) };
    });
    return { samples, lossSum, correct, gradients };
  }

  /** Releases the precomputed gradients that no update uses. */
  dispose(): void {
    this.#precomputed.dispose();
  }

  /**
   * Computes a part of the update while no message waits.
   *
   * @returns false if a message waits or nothing can be computed
   */
  async #precompute(): Promise<boolean> {
    const { inbox } = this.#context;
    if (inbox.isIdle) await nextTurn(); // messages may have arrived while this thread computed
    if (!inbox.isIdle) return false;
    return this.#precomputed.computeOne(); // counted as waiting: the times of this step are sent already
  }

  #handle(message: CoordinatorMessage): void {
    const { step } = this.#assigned;
    if ("step" in message && message.step !== step) {
      throw new LockstepError(
        "ERR_MESSAGE_ORDER",
        `Expected step ${step}, got ${message.type} of step ${message.step}.`,
      );
    }
    switch (message.type) {
      case "update-chunk":
        decodeInto(this.#assembly.claim(message), message, this.#context.layout.wire);
        break;
      case "withdrawn":
        this.#withdraw(message);
        break;
      case "assign":
        assertAttempts(message, this.#assigned);
        this.#attempts.push(...message.attempts);
        break;
      case "commit":
        this.#state = { name: "committed", commit: message };
        break;
      case "finished":
        throw new Dismissed();
      default:
        throw new LockstepError(
          "ERR_MESSAGE_ORDER",
          `Expected a message of step ${step} from the coordinator, got ${message.type}.`,
        );
    }
  }

  /** Drops a withdrawn attempt, and sends again those chunks whose sums contained it. */
  #withdraw(message: MessageOf<"withdrawn">): void {
    this.#assembly.withdraw(message);
    for (const sender of this.#senders) if (!isSame(sender.attempt, message)) sender.resend(message.again);
  }

  *#slicesOf(attempt: AttemptId): Generator<Slice> {
    const { connection, layout, clock } = this.#context;
    const range = at(this.#subtrees, attempt.subtree);
    const { step } = this.#assigned;
    this.#senders.push(
      new SubtreeSender({ connection, layout, assembly: this.#assembly, clock, step, attempt, range }),
    );
    yield* slicesIn(range);
  }

  #wasSent(attempt: AttemptId): boolean {
    return this.#senders.some((sender) => isSame(sender.attempt, attempt));
  }
}

const isSame = (one: AttemptId, other: AttemptId) => one.subtree === other.subtree && one.attempt === other.attempt;
