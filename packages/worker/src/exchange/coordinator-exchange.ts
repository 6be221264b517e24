/**
 * The exchange through a coordinator. Gradients are read back and sent as the backward pass yields them; pieces of the
 * update come in while this worker computes, and count when the coordinator commits the step.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import { tf } from "@lockstep/engine";
import { LockstepError } from "@lockstep/errors";
import { type CoordinatorMessage, decodeInto, type Layout, StepAssembly } from "@lockstep/gradient-sync";
import type { BatchGradient, Exchange, LapClock, Slice, SliceSink, Update } from "@lockstep/training";
import type { Connection } from "../connection/connection.ts";
import { Dismissed, type Inbox } from "../connection/inbox.ts";
import { assertSlices } from "../message-checks.ts";
import { PrecomputedGradients } from "./precomputed-gradients.ts";
import { SliceSender } from "./slice-sender.ts";

type Message<Type extends CoordinatorMessage["type"]> = Extract<CoordinatorMessage, { type: Type }>;

export class CoordinatorExchange implements Exchange {
  readonly #connection: Connection;
  readonly #inbox: Inbox;
  readonly #layout: Layout;
  readonly #clock: LapClock;
  /** Where the sums of each step come together: one array for all steps, whose memory the tensors of an update may share. */
  readonly #dense: Float32Array<ArrayBuffer>;
  #assigned: Message<"assign"> | undefined;
  #assembly: StepAssembly | undefined;
  #precomputed: PrecomputedGradients | undefined;
  #commit: Message<"commit"> | undefined;
  /** What was sent in this step: kept until the commit, since parts of it may be asked for again. */
  #sent: SliceSender[] = [];

  constructor(connection: Connection, inbox: Inbox, layout: Layout, clock: LapClock) {
    this.#connection = connection;
    this.#inbox = inbox;
    this.#layout = layout;
    this.#clock = clock;
    this.#dense = new Float32Array(layout.denseElements);
  }

  /** The step that the next `slices` is for. */
  assign(message: Message<"assign">): void {
    this.#assigned = message;
    this.#assembly = new StepAssembly(this.#layout, message.sliceSamples, this.#dense);
    this.#precomputed = new PrecomputedGradients(this.#layout, this.#assembly);
    this.#commit = undefined;
    this.#sent = [];
  }

  async *slices(): AsyncGenerator<Slice> {
    const { step } = this.#assigned!;
    const isOpen = ({ slice, attempt }: Message<"assign">["slices"][number]) =>
      !this.#sent.some((sender) => sender.slice === slice && sender.attempt === attempt);
    while (this.#commit === undefined) {
      for (const slice of this.#assigned!.slices.filter(isOpen)) yield slice;
      if (await this.#usesWait()) continue;
      const message = await this.#inbox.next(); // the others' factors, sums, slices that others have lost, the commit
      this.#clock.lap("wait");
      if ("step" in message && message.step !== step) {
        throw new LockstepError("ERR_MESSAGE_ORDER", `Expected step ${step}, got ${message.type} of ${message.step}.`);
      }
      this.#take(message);
    }
  }

  /** While nothing has come, computes a part of the update. @returns whether there was one to compute */
  async #usesWait(): Promise<boolean> {
    if (this.#inbox.isIdle) await nextTurn(); // something may have come while this thread computed
    if (!this.#inbox.isIdle) return false;
    return this.#precomputed!.computeOne(); // counted as waiting: this step's parts were sent with its contribution
  }

  sink({ slice, attempt }: Slice): SliceSink {
    const sender = new SliceSender({
      ...{ connection: this.#connection, layout: this.#layout, assembly: this.#assembly!, clock: this.#clock },
      ...{ step: this.#assigned!.step, slice, attempt },
    });
    this.#sent.push(sender);
    return sender;
  }

  async update(): Promise<Update> {
    const { step, attempts, samples, lossSum, correct } = this.#commit!;
    const assembly = this.#assembly!;
    if (samples !== assembly.rows) {
      throw new LockstepError(
        "ERR_COMMIT",
        `Step ${step} has ${assembly.rows} samples, but was committed with ${samples}.`,
      );
    }
    const part = assembly.complete(step, attempts);
    const gradients = this.#layout.places.map((place, index): BatchGradient => {
      if (place.form === "dense") {
        const values = part(0).subarray(place.offset, place.offset + place.elements);
        return { form: "dense", sum: tf.tensor(values, place.shape) };
      }
      const mean = this.#precomputed!.take(index, attempts);
      if (mean !== undefined) return { form: "mean", mean };
      const { inputPart, deltaPart, inputs, outputs } = place;
      return {
        form: "factored",
        input: tf.tensor2d(part(inputPart), [assembly.rows, inputs]),
        delta: tf.tensor2d(part(deltaPart), [assembly.rows, outputs]),
      };
    });
    this.dispose();
    this.#assembly = undefined;
    this.#sent = [];
    return { samples, lossSum, correct, gradients };
  }

  /** Lets go of what was computed ahead for a step that is not to be. */
  dispose(): void {
    this.#precomputed?.dispose();
  }

  #take(message: CoordinatorMessage): void {
    switch (message.type) {
      case "update-chunk":
        decodeInto(this.#assembly!.roomFor(message), message, this.#layout.wire);
        return;
      case "withdrawn": {
        this.#assembly!.withdraw(message);
        const isIt = ({ slice, attempt }: SliceSender) => slice === message.slice && attempt === message.attempt;
        for (const sender of this.#sent) if (!isIt(sender)) sender.sendAgain(message.again);
        return;
      }
      case "assign": {
        const assigned = this.#assigned!;
        assertSlices(message, assigned);
        this.#assigned = { ...assigned, slices: [...assigned.slices, ...message.slices] };
        return;
      }
      case "commit":
        this.#commit = message;
        return;
      case "finished":
        throw new Dismissed();
      default:
        throw new LockstepError("ERR_MESSAGE_ORDER", `The coordinator sent ${message.type} in the middle of a step.`);
    }
  }
}
