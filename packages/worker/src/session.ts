/** A worker's session with its coordinator, from `start` until the connection ends: one method for each message. */
import { LockstepError } from "@lockstep/errors";
import { type MessageOf, makeLayout } from "@lockstep/gradient-sync";
import { Batches, evaluateBatch, type LapClock, type PreparedRun, trainStep } from "@lockstep/training";
import type { Connection } from "./connection/connection.ts";
import { type ControlMessage, Dismissed, type Inbox, type ReceivedMessage } from "./connection/inbox.ts";
import { SessionControl } from "./control.ts";
import { CoordinatorExchange } from "./exchange/coordinator-exchange.ts";
import { sliceToPrefetch } from "./exchange/prefetch.ts";
import { assertAssign, assertEvaluate, assertStart } from "./message-checks.ts";
import type { ReplicaState } from "./state/replica-state.ts";
import { StateReceiver } from "./state/state-receiver.ts";
import { tensorSpecs } from "./state/tensor-specs.ts";

/** Options of a session: the run and the state that outlive it. */
export interface SessionContext {
  run: PreparedRun;
  state: ReplicaState;
  clock: LapClock;
  log: (line: string) => void;
}

/** `waiting` for the first `start`; each `start` creates an exchange. */
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
  /** Receives the state that is being loaded. */
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
   * Handles the coordinator's messages in order until the run is over or this worker may leave.
   *
   * @throws Dismissed at that point
   * @throws LockstepError when the connection ends
   */
  async serve(): Promise<never> {
    await this.#start(await this.#inbox.nextOfType("start"));
    for (;;) await this.#handle(await this.#inbox.next());
  }

  /** Aborts the work under way and waits for its end. */
  async close(): Promise<void> {
    if (this.#session.name === "started") this.#session.exchange.dispose();
    await this.#control.close();
    await this.#batches.drain();
  }

  /**
   * Handles a control message.
   *
   * @returns a promise of the work that continues after the call, if any
   * @throws LockstepError ERR_MESSAGE_ORDER if the message is not allowed now
   */
  handleControl(message: ControlMessage): Promise<void> | undefined {
    return this.#control.handle(message);
  }

  async #handle(message: ReceivedMessage): Promise<void> {
    switch (message.type) {
      case "start":
        return this.#start(message); // again: the worker that sent this one its state has disconnected
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
        throw new LockstepError("ERR_MESSAGE_ORDER", `Expected a task from the coordinator, got ${message.type}.`);
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

  /** Replaces this worker's state with the received one. */
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
    throw new LockstepError("ERR_MESSAGE_ORDER", "Expected the coordinator to send start before a step.");
  }
}
