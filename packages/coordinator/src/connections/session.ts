/** A worker's session: a state machine that decides which messages the worker may send when. */
import type { RecordSource } from "@lockstep/dataset";
import { LockstepError } from "@lockstep/errors";
import {
  LINK_PROBES,
  type MessageOf,
  PROTOCOL_VERSION,
  type WorkerId,
  type WorkerMessage,
} from "@lockstep/gradient-sync";
import type { WebSocket } from "ws";
import type { AdmissionControl, MessageHandler } from "./admission-control.ts";
import { ClockOffset } from "./clock-offset.ts";
import { Connection, type ConnectionOptions } from "./connection.ts";
import { type Hello, type Ready, type ReadySession, readySession, type Welcome } from "./ready-session.ts";
import { RecordServer } from "./record-server.ts";

/** Messages whose bytes count as the traffic of steps. */
const STEP_MESSAGES: WorkerMessage["type"][] = ["gradient-chunk", "contribution"];
/** Bytes of each message that measures the speed of the link to a worker. */
const PROBE_BYTES = 2 ** 18;

/** Options of a session and its connection. */
export interface SessionOptions extends ConnectionOptions {
  workerId: WorkerId;
  /** The run as the worker's welcome describes it. */
  welcome: Promise<Welcome>;
  /** The data set's records, for a worker without the files. */
  records: Promise<RecordSource | undefined>;
  admission: AdmissionControl;
}

/**
 * - `greeting`: until `hello`
 * - `preparing`: until `ready`; the worker starts its engine and builds the model
 * - `joined`: the worker was admitted, and its messages go to its handler
 * - `leaving`: the worker asked to leave before it joined; its messages are ignored
 * - `ended`: the connection has ended
 */
type State =
  | { name: "greeting" }
  | { name: "preparing"; hello: Hello }
  | { name: "joined"; session: ReadySession; handle: MessageHandler }
  | { name: "leaving" }
  | { name: "ended" };

/** One worker's session. */
export class Session {
  readonly #options: SessionOptions;
  readonly #connection: Connection;
  readonly #recordServer: RecordServer;
  readonly #clock = new ClockOffset();
  #state: State = { name: "greeting" };

  /** Starts in the state `greeting`. */
  constructor(socket: WebSocket, options: SessionOptions) {
    this.#options = options;
    this.#connection = new Connection(socket, options, {
      message: (message, bytes) => this.#onMessage(message, bytes),
      ended: (reason) => this.#onEnd(reason),
      hasJoined: () => this.#state.name === "joined",
    });
    this.#recordServer = new RecordServer(options.records, this.#connection);
  }

  #onEnd(reason: string): void {
    const last = this.#state;
    this.#state = { name: "ended" };
    this.#recordServer.close();
    if (last.name === "joined") this.#options.admission.onDisconnected(last.session, reason);
  }

  #onMessage(message: WorkerMessage, bytes: number): void {
    if (message.type === "heartbeat") return; // the connection has recorded the time already
    const state = this.#state;
    if (state.name === "greeting") this.#whileGreeting(message);
    else if (state.name === "preparing") this.#whilePreparing(message, state.hello);
    else if (state.name === "joined") {
      if (STEP_MESSAGES.includes(message.type)) state.session.bytesUp += bytes;
      this.#whileJoined(message, state);
    }
  }

  #whileGreeting(message: WorkerMessage): void {
    if (message.type === "hello") this.#onHello(message);
    else if (message.type === "leaving") this.#onLeaving();
    else if (message.type === "failed") this.#onFailed(message, this.#connection.address);
    else throw new LockstepError("ERR_HANDSHAKE", `Expected hello first, got ${message.type}.`);
  }

  #whilePreparing(message: WorkerMessage, hello: Hello): void {
    if (message.type === "ready") this.#onReady(message, hello);
    else if (message.type === "want-records") this.#recordServer.serve(message);
    else if (message.type === "leaving") this.#onLeaving();
    else if (message.type === "failed") this.#onFailed(message, hello.name);
    else if (message.type !== "clock" || !this.#onClock(message)) {
      throw new LockstepError("ERR_HANDSHAKE", `Expected ready next, got ${message.type}.`);
    }
  }

  #whileJoined(message: WorkerMessage, { session, handle }: Extract<State, { name: "joined" }>): void {
    if (message.type === "want-records") this.#recordServer.serve(message);
    else if (message.type === "failed") this.#onFailed(message, session.hello.name, session);
    else if (message.type !== "clock" || !this.#onClock(message)) handle(message);
  }

  #onHello(hello: Hello): void {
    if (hello.protocol !== PROTOCOL_VERSION) {
      const text = `Expected protocol ${PROTOCOL_VERSION}, got ${hello.protocol}`;
      throw new LockstepError("ERR_PROTOCOL", `${text}; use the same version of Lockstep on all machines.`);
    }
    this.#state = { name: "preparing", hello };
    // If it rejects, the coordinator stops and reports the error.
    this.#options.welcome.then(this.#welcome.bind(this), () => {});
  }

  #welcome(run: Welcome): void {
    const { workerId, heartbeatMs, nowMs } = this.#options;
    this.#clock.onRequest(nowMs());
    this.#connection.sendMessage({ type: "welcome", workerId, heartbeatMs, ...run });
    const data = new Uint8Array(PROBE_BYTES);
    for (let probe = 0; probe < LINK_PROBES; probe++) this.#connection.sendMessage({ type: "link-probe", data });
  }

  /** Handles the worker's time. @returns whether it was requested */
  #onClock({ nowMs }: MessageOf<"clock">): boolean {
    return this.#clock.onReply(nowMs, this.#options.nowMs());
  }

  #onReady(ready: Ready, hello: Hello): void {
    const { workerId, admission } = this.#options;
    const session = readySession(this.#connection, { workerId, hello, ready, clockAheadMs: this.#clock.aheadMs });
    const handle = admission.admit(session);
    if (this.#state.name !== "ended") this.#state = { name: "joined", session, handle };
  }

  #onLeaving(): void {
    this.#state = { name: "leaving" };
    this.#connection.sendMessage({ type: "finished" });
  }

  /** @param name the worker's name, or its address if its engine failed before it sent `hello` */
  #onFailed({ code, reason }: MessageOf<"failed">, name: string, session?: ReadySession): void {
    const { address, connectedMs, heardMs } = this.#connection;
    const error = new LockstepError(code, reason);
    this.#options.admission.onFailed?.({ name, address, connectedMs, heardMs }, error, session);
    this.#connection.close(code, reason);
  }
}
