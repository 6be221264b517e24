/** For tests: a toy worker that is connected by a real WebSocket. */

import {
  type CoordinatorMessage,
  decodeFromCoordinator,
  encode,
  MAX_MESSAGE_BYTES,
  type WorkerMessage,
} from "@lockstep/gradient-sync";
import { openSocket } from "@lockstep/transport";
import type { WebSocket } from "ws";
import { HELLO } from "../toy-model.ts";
import { ToyWorker } from "../toy-worker.ts";

/** Settings of a socket worker. */
export interface SocketWorkerOptions {
  port: number;
  name: string;
  /** Sends the frame of a message, or other frames in its place. @default it sends the frame */
  send?: (frame: Buffer, message: WorkerMessage, socket: WebSocket) => void;
  /** Called with each message of the coordinator, before this worker handles it. */
  onMessage?: (message: CoordinatorMessage) => void;
  /** Milliseconds that it takes for a slice. @default one turn of the event loop */
  sliceMs?: number | undefined;
}

/** A toy worker with a real socket. */
export class SocketWorker extends ToyWorker {
  readonly socket: WebSocket;
  /** The WebSocket code and reason with which the connection ended. */
  readonly closed: Promise<{ code: number; reason: string }>;
  readonly #send: NonNullable<SocketWorkerOptions["send"]>;
  readonly #sliceMs: number | undefined;

  constructor({
    port,
    name,
    send = (frame, _, socket) => socket.send(frame),
    onMessage = () => {},
    sliceMs,
  }: SocketWorkerOptions) {
    super();
    this.#send = send;
    this.#sliceMs = sliceMs;
    this.socket = openSocket(`ws://127.0.0.1:${port}`, { maxPayload: MAX_MESSAGE_BYTES });
    this.socket.on("open", () => this.send({ ...HELLO, name }));
    this.socket.on("message", (data: Buffer) => {
      const message = decodeFromCoordinator(data);
      onMessage(message);
      this.receive(message);
    });
    this.socket.on("error", () => {}); // `close` follows
    this.closed = new Promise((resolve) => {
      this.socket.on("close", (code, reason) => {
        this.dead = true;
        resolve({ code, reason: reason.toString() });
      });
    });
  }

  /** Sends a heartbeat. */
  beat(): void {
    this.send({ type: "heartbeat" });
  }

  /** Resolves when the coordinator has answered a ping, or the connection is not open. */
  async respond(): Promise<void> {
    const { socket } = this;
    if (socket.readyState !== socket.OPEN) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        socket.off("pong", done).off("close", done);
        resolve();
      };
      socket.on("pong", done).on("close", done).ping();
    });
  }

  protected send(message: WorkerMessage): void {
    if (this.socket.readyState === this.socket.OPEN) this.#send(encode(message), message, this.socket);
  }

  protected compute(_: number, then: () => void): void {
    if (this.#sliceMs === undefined) setImmediate(then);
    else setTimeout(then, this.#sliceMs);
  }

  protected leftAlone(): void {
    this.socket.close(1000);
  }
}
