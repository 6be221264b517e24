/** Sends heartbeats to the coordinator and watches for its silence. */
import { MAX_SILENT_COORDINATOR_HEARTBEATS } from "@lockstep/gradient-sync";

/** Options of a heartbeat. */
export interface HeartbeatOptions {
  /** Sends a heartbeat. */
  send: () => void;
  /** Returns false while the socket is paused: then silence means nothing. */
  isReading: () => boolean;
  /** Called when nothing was received for too long. */
  onSilence: (silentMs: number) => void;
  /** A monotonic clock in milliseconds. */
  nowMs: () => number;
}

/** Beats at an interval, which `start` may change, until it is stopped. */
export class Heartbeat {
  readonly #options: HeartbeatOptions;
  #timer: NodeJS.Timeout | undefined;
  #lastReceivedMs: number;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.#lastReceivedMs = options.nowMs();
  }

  /** Beats every `everyMs` milliseconds from now on. */
  start(everyMs: number): void {
    this.stop();
    this.#timer = setInterval(() => this.#beat(everyMs), everyMs);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Restarts the silence: call it when bytes arrive, and when a paused socket resumes. */
  received(): void {
    this.#lastReceivedMs = this.#options.nowMs();
  }

  #beat(everyMs: number): void {
    const { send, isReading, onSilence, nowMs } = this.#options;
    send();
    if (!isReading()) return;
    const silentMs = nowMs() - this.#lastReceivedMs;
    if (silentMs >= MAX_SILENT_COORDINATOR_HEARTBEATS * everyMs) onSilence(silentMs);
  }
}
