/**
 * The worker's connection to its coordinator. The socket lives on another thread, so heartbeats and chunks are sent and
 * received while this thread computes inside native code.
 */
import type { RecordSplit } from "@lockstep/dataset";
import { LockstepError } from "@lockstep/errors";
import type { CoordinatorMessage, Wire, WorkerMessage } from "@lockstep/gradient-sync";
import type { Connection, PiecePlace } from "./connection.ts";
import { Deferred } from "./deferred.ts";
import { RecordRequests } from "./record-requests.ts";
import type { FromSocket, ToSocket } from "./socket-messages.ts";

/** The thread of a socket, as the computing thread sees it. */
export interface SocketThread {
  on(event: "message", listener: (message: FromSocket) => void): unknown;
  on(event: "error", listener: (error: Error) => void): unknown;
  on(event: "exit", listener: () => void): unknown;
  postMessage(message: ToSocket, transferred: ArrayBuffer[]): void;
  terminate(): Promise<unknown>;
}

type ConnectionState = { name: "connecting" } | { name: "open" } | { name: "closed"; error: Error };
type BufferedMessage = Extract<FromSocket, { type: "message" }>;

/** The computing thread's end of a connection: messages wait here until they are received. */
export class SocketConnection implements Connection {
  readonly #thread: SocketThread;
  readonly #buffered: BufferedMessage[] = [];
  /** Callers that wait for a message; empty while messages are buffered. */
  readonly #receivers: Deferred<CoordinatorMessage>[] = [];
  readonly #records = new RecordRequests((message) => this.send(message));
  readonly #opened = new Deferred<void>();
  readonly #closed = new Deferred<void>();
  readonly #link = new Deferred<number>();
  #state: ConnectionState = { name: "connecting" };

  constructor(thread: SocketThread) {
    this.#thread = thread;
    thread.on("message", (message: FromSocket) => this.#onThreadMessage(message));
    thread.on("error", (error) => this.#end(error));
    thread.on("exit", () => this.#end(new LockstepError("ERR_DISCONNECTED", "The connection's thread has ended.")));
  }

  get linkBytesPerSecond(): Promise<number> {
    return this.#link.promise;
  }

  get isIdle(): boolean {
    return this.#buffered.length === 0 && this.#state.name !== "closed";
  }

  /** Resolves when the coordinator has accepted the connection; otherwise ends the thread and rejects. */
  async opened(): Promise<void> {
    try {
      await this.#opened.promise;
    } catch (error) {
      await this.#thread.terminate();
      throw error;
    }
  }

  send(message: WorkerMessage): void {
    const transferred = "data" in message ? [message.data.buffer as ArrayBuffer] : [];
    this.#post({ type: "send", message }, transferred);
  }

  sendPiece(piece: PiecePlace, values: Float32Array<ArrayBuffer>, wire: Wire): void {
    this.#post({ type: "send-piece", piece, values, wire }, [values.buffer]);
  }

  heartbeat(everyMs: number): void {
    this.#post({ type: "heartbeat", everyMs });
  }

  async fetchRecords(split: RecordSplit, indexes: Uint32Array): Promise<Uint8Array> {
    if (this.#state.name === "closed") throw this.#state.error;
    return this.#records.request(split, indexes);
  }

  async receive(): Promise<CoordinatorMessage> {
    const next = this.#buffered.shift();
    if (next !== undefined) return this.#consume(next);
    if (this.#state.name === "closed") throw this.#state.error;
    const receiver = new Deferred<CoordinatorMessage>();
    this.#receivers.push(receiver);
    return receiver.promise;
  }

  async close(): Promise<void> {
    this.#post({ type: "close" });
    await this.#closed.promise;
    await this.#thread.terminate();
  }

  #onThreadMessage(from: FromSocket): void {
    switch (from.type) {
      case "open":
        this.#open();
        break;
      case "message":
        this.#deliver(from);
        break;
      case "link":
        this.#link.resolve(from.bytesPerSecond);
        break;
      case "closed":
        this.#end(new LockstepError(from.code, from.reason));
    }
  }

  #open(): void {
    if (this.#state.name === "connecting") this.#state = { name: "open" };
    this.#opened.resolve();
  }

  #deliver(buffered: BufferedMessage): void {
    if (buffered.message.type === "records") {
      this.#records.deliver(buffered.message);
      this.#post({ type: "received", bytes: buffered.bytes });
      return;
    }
    const receiver = this.#receivers.shift();
    if (receiver === undefined) this.#buffered.push(buffered);
    else receiver.resolve(this.#consume(buffered));
  }

  /** Ends the connection. Only the first reason counts: errors after the socket has closed add nothing. */
  #end(error: Error): void {
    if (this.#state.name === "closed") return;
    this.#state = { name: "closed", error };
    for (const receiver of this.#receivers.splice(0)) receiver.reject(error);
    this.#records.fail(error);
    this.#opened.reject(error);
    this.#link.reject(error);
    this.#closed.resolve();
  }

  #consume({ message, bytes }: BufferedMessage): CoordinatorMessage {
    this.#post({ type: "received", bytes });
    return message;
  }

  #post(to: ToSocket, transferred: ArrayBuffer[] = []): void {
    this.#thread.postMessage(to, transferred);
  }
}
