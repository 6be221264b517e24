/** The messages that are on their way to a worker: how much waits, and for how long. */
import type { WebSocket } from "ws";

/** `drained` resolves when fewer bytes than this wait. */
const DRAINED_BYTES = 4 * 2 ** 20;

/** Sends to one worker, and measures what the network has not taken yet. */
export class SendQueue {
  /** Bytes that were sent and that the network has not taken yet. */
  waitingBytes = 0;
  readonly #socket: WebSocket;
  readonly #nowMs: () => number;
  /** When something was last taken, or began to wait where nothing did. */
  #flushedMs = 0;
  #whenDrained: (() => void)[] = [];

  constructor(socket: WebSocket, nowMs: () => number) {
    this.#socket = socket;
    this.#nowMs = nowMs;
  }

  /** Sends an encoded message, unless the socket is closed or closing. */
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

  /** How long the network has taken nothing of what waits, in ms; 0 if nothing waits. */
  get unreadMs(): number {
    return this.waitingBytes === 0 ? 0 : this.#nowMs() - this.#flushedMs;
  }

  /** Resolves when little waits, or nothing can any more: whoever sends much awaits it between pieces. */
  drained(): Promise<void> {
    if (this.waitingBytes < DRAINED_BYTES || this.#socket.readyState !== this.#socket.OPEN) return Promise.resolve();
    return new Promise((resolve) => this.#whenDrained.push(resolve));
  }

  /** Resolves what waits for `drained`: little waits, or nothing will be taken any more. */
  release(): void {
    for (const resolve of this.#whenDrained.splice(0)) resolve();
  }
}
