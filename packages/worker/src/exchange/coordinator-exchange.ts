/**
 * The exchange through a coordinator. Gradients are read back and sent as the backward pass yields them. Pieces of the
 * update arrive while this worker computes, and take effect when the coordinator commits the step.
 */
import type { Layout, MessageOf } from "@lockstep/gradient-sync";
import type { Exchange, LapClock, Slice, SliceSink, Update } from "@lockstep/training";
import type { Connection } from "../connection/connection.ts";
import type { Inbox } from "../connection/inbox.ts";
import { type ExchangeContext, StepExchange } from "./step-exchange.ts";

type ExchangeState = { name: "idle" } | { name: "stepping"; step: StepExchange };

/** Takes part in the steps of one session, one after the other. */
export class CoordinatorExchange implements Exchange {
  readonly #context: ExchangeContext;
  /** Receives the dense sums of each step: one array for all steps, whose memory the tensors of an update may share. */
  readonly #dense: Float32Array<ArrayBuffer>;
  #state: ExchangeState = { name: "idle" };

  constructor(connection: Connection, inbox: Inbox, layout: Layout, clock: LapClock) {
    this.#context = { connection, inbox, layout, clock };
    this.#dense = new Float32Array(layout.denseElements);
  }

  /** Starts the step that the next `slices` belongs to. */
  assign(message: MessageOf<"assign">): void {
    this.#state = { name: "stepping", step: new StepExchange(this.#context, message, this.#dense) };
  }

  slices(): AsyncGenerator<Slice> {
    return this.#step().slices();
  }

  sink(): SliceSink {
    return this.#step().sink();
  }

  async update(): Promise<Update> {
    const update = this.#step().update();
    this.dispose();
    return update;
  }

  /** Releases the precomputed gradients of a step that will not be committed. */
  dispose(): void {
    if (this.#state.name === "stepping") this.#state.step.dispose();
    this.#state = { name: "idle" };
  }

  #step(): StepExchange {
    if (this.#state.name === "stepping") return this.#state.step;
    throw new Error("Expected a step to be assigned first.");
  }
}
