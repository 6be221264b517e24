/** One step of the exchange through a coordinator, from the assigned slices to the committed update. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { tf } from "@lockstep/engine";
import { LockstepError } from "@lockstep/errors";
import {
  type CoordinatorMessage,
  decodeInto,
  type Layout,
  type MessageOf,
  StepAssembly,
} from "@lockstep/gradient-sync";
import type { BatchGradient, LapClock, Slice, SliceSink, Update } from "@lockstep/training";
import type { Connection } from "../connection/connection.ts";
import { Dismissed, type Inbox } from "../connection/inbox.ts";
import { assertSlices } from "../message-checks.ts";
import { PrecomputedGradients } from "./precomputed-gradients.ts";
import { SliceSender } from "./slice-sender.ts";

type AssignedSlice = MessageOf<"assign">["slices"][number];

/** State that the steps of one session share. */
export interface ExchangeContext {
  connection: Connection;
  inbox: Inbox;
  layout: Layout;
  clock: LapClock;
}

/** `open` while slices are computed and sums arrive, `committed` when the update is final. */
type StepState = { name: "open" } | { name: "committed"; commit: MessageOf<"commit"> };

/** Sends this worker's slices of a step and assembles the update. */
export class StepExchange {
  readonly #context: ExchangeContext;
  readonly #assigned: MessageOf<"assign">;
  /** This worker's slices. More are assigned when other workers disconnect. */
  readonly #slices: AssignedSlice[];
  readonly #assembly: StepAssembly;
  readonly #precomputed: PrecomputedGradients;
  /** Senders of the slices that were sent. The coordinator may request chunks of them again until the commit. */
  readonly #senders: SliceSender[] = [];
  #state: StepState = { name: "open" };

  /** @param dense receives the dense sums */
  constructor(context: ExchangeContext, assigned: MessageOf<"assign">, dense: Float32Array<ArrayBuffer>) {
    this.#context = context;
    this.#assigned = assigned;
    this.#slices = [...assigned.slices];
    this.#assembly = new StepAssembly(context.layout, assigned.sliceSamples, dense);
    this.#precomputed = new PrecomputedGradients(context.layout, this.#assembly);
  }

  /** Yields this worker's slices as they are assigned, and ends with the commit. */
  async *slices(): AsyncGenerator<Slice> {
    const { inbox, clock } = this.#context;
    while (this.#state.name === "open") {
      for (const slice of this.#slices.filter((one) => !this.#wasSent(one))) yield slice;
      if (await this.#precompute()) continue;
      const message = await inbox.next(); // factors of other workers, sums, more slices, the commit
      clock.lap("wait");
      this.#handle(message);
    }
  }

  sink({ slice, attempt }: Slice): SliceSink {
    const { connection, layout, clock } = this.#context;
    const { step } = this.#assigned;
    const sender = new SliceSender({ connection, layout, assembly: this.#assembly, clock, step, slice, attempt });
    this.#senders.push(sender);
    return sender;
  }

  /**
   * Returns the sums of all slices of the committed step.
   *
   * @throws LockstepError ERR_COMMIT if a slice is missing
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

  /** Computes a part of the update while no message waits. @returns false if a message waits or nothing can be computed */
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
        assertSlices(message, this.#assigned);
        this.#slices.push(...message.slices);
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
    for (const sender of this.#senders) if (!isSame(sender, message)) sender.resend(message.again);
  }

  #wasSent(slice: AssignedSlice): boolean {
    return this.#senders.some((sender) => isSame(sender, slice));
  }
}

type Attempt = Pick<AssignedSlice, "slice" | "attempt">;
const isSame = (one: Attempt, other: Attempt) => one.slice === other.slice && one.attempt === other.attempt;
