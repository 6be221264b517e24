/** A worker's WebSocket: it carries messages both ways, watches for signs of life, and ends once, with a reason. */
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

/** The limits of a connection, its worker and its clock. */
export interface ConnectionOptions extends ConnectionLimits, Peer {
  /** A monotonic clock. */
  nowMs: () => number;
}

/** The session of a connection, as the connection calls it. */
export interface ConnectionEvents {
  /**
   * A message of so many bytes came; none comes after the end.
   *
   * @throws LockstepError the reason to close the connection
   */
  message(message: WorkerMessage, bytes: number): void;
  /** The connection has ended: nothing is sent or heard any more. */
  ended(reason: string): void;
  /** Whether the worker has joined: then it is for the team to notice its silence. */
  hasJoined(): boolean;
}

/** The connection to one worker. */
export class Connection {
  /** IP address of the worker. */
  readonly address: string;
  /** When it began. */
  readonly connectedMs: number;
  readonly #socket: WebSocket;
  readonly #options: ConnectionOptions;
  readonly #events: ConnectionEvents;
  readonly #queue: SendQueue;
  readonly #watching: NodeJS.Timeout;
  #heardMs: number;
  #ended = false;

  /** Begins to listen to the worker, and to watch it. */
  constructor(socket: WebSocket, options: ConnectionOptions, events: ConnectionEvents) {
    const { address, onData, heartbeatMs, nowMs } = options;
    this.address = address;
    this.connectedMs = this.#heardMs = nowMs();
    this.#socket = socket;
    this.#options = options;
    this.#events = events;
    this.#queue = new SendQueue(socket, nowMs);
    this.#watching = setInterval(() => this.#watch(), heartbeatMs);
    // Not whole messages only: on a slow link one may take longer than a worker may be silent.
    onData(() => {
      this.#heardMs = nowMs();
    });
    socket.on("message", (data: Buffer) => this.#receive(data));
    socket.on("error", ({ message }) => this.#end(message)); // of the network, or ws closes it with a code of its own
    socket.on("close", () => this.#end("its connection closed"));
  }

  /** When anything last came from the worker. */
  get heardMs(): number {
    return this.#heardMs;
  }

  /** Bytes that were sent and that the network has not taken yet. */
  get waitingBytes(): number {
    return this.#queue.waitingBytes;
  }

  /** Resolves when little waits, or nothing can any more. */
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

  /** Ends the connection: tells the worker why, and does not wait for one that does not take the goodbye. */
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

  /** Shows that this end lives, and looks whether the other one does. */
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

  /** Stops to listen to the worker, and to watch it. */
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
