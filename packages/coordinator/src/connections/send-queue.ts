/** What is on its way to a worker, and how the worker takes it. */
import type { WebSocket } from "ws";

/** `drained` waits until less than this waits. */
const DRAINED_BYTES = 4 * 2 ** 20;

export class SendQueue {
  /** Bytes that were sent and that the network has not taken yet. */
  waitingBytes = 0;
  readonly #socket: WebSocket;
  readonly #nowMs: () => number;
  /** When something was last taken, or began to wait where nothing did. */
  #takenMs = 0;
  #whenDrained: (() => void)[] = [];

  constructor(socket: WebSocket, nowMs: () => number) {
    this.#socket = socket;
    this.#nowMs = nowMs;
  }

  send(bytes: Buffer): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    if (this.waitingBytes === 0) this.#takenMs = this.#nowMs();
    this.waitingBytes += bytes.length;
    this.#socket.send(bytes, () => {
      this.waitingBytes -= bytes.length;
      this.#takenMs = this.#nowMs();
      if (this.waitingBytes < DRAINED_BYTES) this.release();
    });
  }

  /** For how long nothing was taken of what waits, in ms. */
  get unreadMs(): number {
    return this.waitingBytes === 0 ? 0 : this.#nowMs() - this.#takenMs;
  }

  /** Resolves when little waits, or nothing can any more: whoever sends much awaits it between pieces. */
  drained(): Promise<void> {
    if (this.waitingBytes < DRAINED_BYTES || this.#socket.readyState !== this.#socket.OPEN) return Promise.resolve();
    return new Promise((resolve) => this.#whenDrained.push(resolve));
  }

  /** Nothing will be taken any more, or little waits: nobody needs to wait. */
  release(): void {
    for (const resolve of this.#whenDrained.splice(0)) resolve();
  }
}
