/** The queue of messages to one worker: how many bytes are queued, and for how long the network has accepted none. */
import type { WebSocket } from "ws";

/** `drained` resolves when fewer bytes than this are queued. */
const DRAINED_BYTES = 4 * 2 ** 20;

/** Sends to one worker and measures what the network has not accepted yet. */
export class SendQueue {
  /** Bytes that were sent and that the network has not accepted yet. */
  waitingBytes = 0;
  readonly #socket: WebSocket;
  readonly #nowMs: () => number;
  /** Time at which the network last accepted bytes, or at which bytes were queued while none were. */
  #flushedMs = 0;
  #whenDrained: (() => void)[] = [];

  constructor(socket: WebSocket, nowMs: () => number) {
    this.#socket = socket;
    this.#nowMs = nowMs;
  }

  /** Sends an encoded message unless the socket is closed or closing. */
  send(bytes: Buffer): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    if (this.waitingBytes === 0) this.#flushedMs = this.#nowMs();
    this.waitingBytes += bytes.length;
    this.#socket.send(bytes, () => {
      this.waitingBytes -= bytes.length;
      this.#flushedMs = this.#nowMs();
      if (this.waitingBytes < DRAINED_BYTES) this.release();
    });
  }

  /** Milliseconds since the network last accepted queued bytes; 0 if none are queued. */
  get unreadMs(): number {
    return this.waitingBytes === 0 ? 0 : this.#nowMs() - this.#flushedMs;
  }

  /** Resolves when few bytes are queued, or the socket is closed. */
  drained(): Promise<void> {
    if (this.waitingBytes < DRAINED_BYTES || this.#socket.readyState !== this.#socket.OPEN) return Promise.resolve();
    return new Promise((resolve) => this.#whenDrained.push(resolve));
  }

  /** Resolves all pending `drained` promises. */
  release(): void {
    for (const resolve of this.#whenDrained.splice(0)) resolve();
  }
}
