/** A worker's session with its coordinator: one method for each message, from `start` until the connection ends. */
import { LockstepError } from "@lockstep/errors";
import { type MessageOf, makeLayout } from "@lockstep/gradient-sync";
import { Batches, evaluateBatch, type LapClock, type PreparedRun, trainStep } from "@lockstep/training";
import type { Connection } from "./connection/connection.ts";
import { type ControlMessage, Dismissed, type Inbox, type ReceivedMessage } from "./connection/inbox.ts";
import { SessionControl } from "./control.ts";
import { CoordinatorExchange } from "./exchange/coordinator-exchange.ts";
import { sliceToPrefetch } from "./exchange/prefetch.ts";
import { assertAssign, assertEvaluate, assertStart } from "./message-checks.ts";
import type { HeldState } from "./state/held-state.ts";
import { StateReceiver } from "./state/state-receiver.ts";
import { tensorSpecs } from "./state/tensor-specs.ts";

/** Options of a session: what it is for, and what outlives it. */
export interface SessionContext {
  run: PreparedRun;
  state: HeldState;
  clock: LapClock;
  log: (line: string) => void;
}

/** `waiting` for the first `start`; then each `start` brings an exchange of its own. */
type SessionState = { name: "waiting" } | { name: "started"; exchange: CoordinatorExchange };

/** Serves the coordinator over one connection. */
export class WorkerSession {
  readonly #context: SessionContext;
  readonly #connection: Connection;
  readonly #inbox: Inbox;
  readonly #control: SessionControl;
  readonly #batches: Batches;
  #session: SessionState = { name: "waiting" };
  #assigned: MessageOf<"assign"> | undefined;
  /** The state that is being received. */
  #stateReceiver: StateReceiver | undefined;

  constructor(context: SessionContext, connection: Connection, inbox: Inbox) {
    this.#context = context;
    this.#connection = connection;
    this.#inbox = inbox;
    this.#control = new SessionControl(connection, context.state, context.log);
    const { thread } = context.run;
    this.#batches = new Batches(thread, (last) => sliceToPrefetch(this.#assigned, thread.meta, last));
  }

  /**
   * Does what the coordinator asks for, in order, until it says that the run is over or that this worker may leave.
   *
   * @throws Dismissed then
   * @throws LockstepError when the connection ends
   */
  async serve(): Promise<never> {
    await this.#start(await this.#inbox.nextOfType("start"));
    for (;;) await this.#handle(await this.#inbox.next());
  }

  /** Ends what is under way. */
  async close(): Promise<void> {
    if (this.#session.name === "started") this.#session.exchange.dispose();
    await this.#control.close();
    await this.#batches.drain();
  }

  /**
   * Handles what concerns no step, and may be asked for at any time.
   *
   * @returns what goes on after the call, if anything does
   * @throws LockstepError ERR_MESSAGE_ORDER for what may not be asked for now
   */
  handleControl(message: ControlMessage): Promise<void> | undefined {
    return this.#control.handle(message);
  }

  async #handle(message: ReceivedMessage): Promise<void> {
    switch (message.type) {
      case "start":
        return this.#start(message); // once more: whoever sent this worker's state was lost
      case "assign":
        return this.#assign(message);
      case "evaluate":
        return this.#evaluate(message);
      case "digest":
        return this.#digest();
      case "load-chunk":
        return this.#loadChunk(message);
      case "load-end":
        return this.#loadEnd(message);
      case "finished":
        throw new Dismissed();
      default:
        throw new LockstepError("ERR_MESSAGE_ORDER", `The coordinator sent ${message.type} where a task was expected.`);
    }
  }

  async #start(message: MessageOf<"start">): Promise<void> {
    const { run, state, clock } = this.#context;
    if (this.#session.name === "started") this.#session.exchange.dispose();
    const tensors = tensorSpecs(run);
    assertStart(message, tensors, state.step);
    this.#stateReceiver = undefined;
    await state.start(message);
    const exchange = new CoordinatorExchange(this.#connection, this.#inbox, makeLayout(tensors, message), clock);
    this.#session = { name: "started", exchange };
  }

  async #assign(message: MessageOf<"assign">): Promise<void> {
    const { run, state, clock } = this.#context;
    assertAssign(message, state.step, run.thread.meta);
    const { replica } = state.current("assign");
    const exchange = this.#exchange();
    clock.lap("wait");
    this.#assigned = message;
    exchange.assign(message);
    const config = { ...run.config, maxRows: run.maxRows };
    const context = { config, replica, batches: this.#batches, exchange, clock };
    await trainStep(context, { ...message, type: "step" }, () => {});
    state.advance(message.step + 1);
  }

  async #evaluate(message: MessageOf<"evaluate">): Promise<void> {
    const { run, state, clock } = this.#context;
    const { replica } = state.current("evaluate");
    assertEvaluate(message, run.thread.meta);
    const { request, part: split, start, end } = message;
    const batch = await this.#batches.next({ split, epoch: 0, start, end });
    const { predictions, ...sums } = await evaluateBatch(replica, batch);
    const shown = split === "test" && { predictions };
    this.#connection.send({ type: "evaluation", request, ...sums, ...shown });
    clock.finish(); // the next step begins after the evaluation
  }

  async #digest(): Promise<void> {
    const { state, clock } = this.#context;
    const { step } = state.current("digest");
    this.#connection.send({ type: "digest-result", step, digest: await state.digest() });
    clock.finish();
  }

  #loadChunk(message: MessageOf<"load-chunk">): void {
    this.#stateReceiver ??= new StateReceiver(this.#context.run.names);
    this.#stateReceiver.add(message);
  }

  /** Takes the state that has come instead of its own. */
  async #loadEnd({ step }: MessageOf<"load-end">): Promise<void> {
    const { run, state, clock } = this.#context;
    const receiver = this.#stateReceiver ?? new StateReceiver(run.names);
    this.#stateReceiver = undefined;
    receiver.assertComplete();
    const largestDifference = await state.load(receiver.dict("weight"), receiver.dict("velocity"), step);
    this.#connection.send({ type: "loaded", largestDifference });
    clock.finish();
  }

  #exchange(): CoordinatorExchange {
    if (this.#session.name === "started") return this.#session.exchange;
    throw new LockstepError("ERR_MESSAGE_ORDER", "The coordinator sent a step before this worker's start.");
  }
}
