/** A worker's WebSocket: it carries messages both ways, checks liveness, and ends once, with a reason. */
import { type ErrorCode, LockstepError } from "@lockstep/errors";
import {
  type CoordinatorMessage,
  decodeFromWorker,
  encode,
  MAX_SILENT_HEARTBEATS,
  type WorkerMessage,
} from "@lockstep/gradient-sync";
import type { Peer } from "@lockstep/transport";
import type { WebSocket } from "ws";
import { type ConnectionLimits, overdue } from "./connection-limits.ts";
import { SendQueue } from "./send-queue.ts";

/** Options of a connection: its limits, its peer and its clock. */
export interface ConnectionOptions extends ConnectionLimits, Peer {
  /** A monotonic clock, in milliseconds. */
  nowMs: () => number;
}

/** Callbacks of a connection into its session. */
export interface ConnectionEvents {
  /**
   * Handles a message, which had `bytes` bytes on the wire. It is not called after `ended`.
   *
   * @throws LockstepError with the reason to close the connection
   */
  message(message: WorkerMessage, bytes: number): void;
  /** Handles the end of the connection, after which nothing is sent or received. */
  ended(reason: string): void;
  /** Returns whether the worker has joined. The team, not the connection, then watches its silence. */
  hasJoined(): boolean;
}

/** The connection to one worker. */
export class Connection {
  /** IP address of the worker. */
  readonly address: string;
  /** Time at which it opened, in milliseconds. */
  readonly connectedMs: number;
  readonly #socket: WebSocket;
  readonly #options: ConnectionOptions;
  readonly #events: ConnectionEvents;
  readonly #queue: SendQueue;
  readonly #watching: NodeJS.Timeout;
  #heardMs: number;
  #ended = false;

  /** Starts to receive from the worker and to watch its liveness. */
  constructor(socket: WebSocket, options: ConnectionOptions, events: ConnectionEvents) {
    const { address, onData, heartbeatMs, nowMs } = options;
    this.address = address;
    this.connectedMs = this.#heardMs = nowMs();
    this.#socket = socket;
    this.#options = options;
    this.#events = events;
    this.#queue = new SendQueue(socket, nowMs);
    this.#watching = setInterval(() => this.#watch(), heartbeatMs);
    // Any bytes count: on a slow link, one message may take longer than the silence that is allowed.
    onData(() => {
      this.#heardMs = nowMs();
    });
    socket.on("message", (data: Buffer) => this.#receive(data));
    socket.on("error", ({ message }) => this.#end(message)); // a network error, or a protocol error
    socket.on("close", () => this.#end("its connection closed"));
  }

  /** Time at which bytes last arrived from the worker, in milliseconds. */
  get heardMs(): number {
    return this.#heardMs;
  }

  /** Bytes that were sent and that the network has not accepted yet. */
  get waitingBytes(): number {
    return this.#queue.waitingBytes;
  }

  /** Resolves when few bytes are queued, or the connection has ended. */
  drained(): Promise<void> {
    return this.#queue.drained();
  }

  /** Encodes and sends a message. */
  sendMessage(message: CoordinatorMessage): void {
    this.send(encode(message));
  }

  /** Sends an encoded message; does nothing after the end. */
  send(bytes: Buffer): void {
    if (!this.#ended) this.#queue.send(bytes);
  }

  /** Ends the connection and sends the worker the reason. A worker that does not close in time is cut off. */
  close(code: ErrorCode, reason: string): void {
    this.sendMessage({ type: "refused", code, reason: reason.slice(0, 1000) });
    this.#socket.close(4000, code);
    this.#end(reason);
  }

  #receive(data: Buffer): void {
    if (this.#ended) return;
    try {
      this.#events.message(decodeFromWorker(data), data.length);
    } catch (error) {
      if (!(error instanceof LockstepError)) throw error;
      this.close(error.code, error.message);
    }
  }

  /** Sends a heartbeat, or closes the connection if it exceeds a limit. */
  #watch(): void {
    const now = this.#options.nowMs();
    const times = {
      unreadMs: this.#queue.unreadMs,
      silentMs: now - this.#heardMs,
      joiningMs: this.#events.hasJoined() ? undefined : now - this.connectedMs,
    };
    const reason = overdue(times, this.#options);
    if (reason === undefined) this.sendMessage({ type: "alive" });
    else this.close(reason.code, reason.message);
  }

  /** Stops receiving from the worker and watching it. */
  #end(reason: string): void {
    if (this.#ended) return;
    this.#ended = true;
    clearInterval(this.#watching);
    const goodbye = setTimeout(
      () => this.#socket.terminate(),
      MAX_SILENT_HEARTBEATS * this.#options.heartbeatMs,
    ).unref();
    this.#socket.once("close", () => clearTimeout(goodbye));
    this.#queue.release();
    this.#events.ended(reason);
  }
}
