/** Heartbeats to the coordinator, and how long nothing has come from it. */

/** The coordinator may be busy for longer than a worker, whose socket has a thread of its own. */
const COORDINATOR_SILENT_BEATS = 10;

/** Settings of a heartbeat: what it does, and when. */
export interface HeartbeatOptions {
  /** Sends a heartbeat. */
  send: () => void;
  /** Whether the socket is read now: while it is not, this end hears nothing. */
  isReading: () => boolean;
  /** Hears that nothing has come for so many milliseconds, which is too long. */
  onSilence: (silentMs: number) => void;
  /** A monotonic clock, in ms. */
  nowMs: () => number;
}

/** Beats at an interval, which may change, until it is stopped. */
export class Heartbeat {
  readonly #options: HeartbeatOptions;
  #timer: NodeJS.Timeout | undefined;
  #lastReceivedMs: number;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.#lastReceivedMs = options.nowMs();
  }

  /** Beats so often from now on. */
  start(everyMs: number): void {
    this.stop();
    this.#timer = setInterval(() => this.#beat(everyMs), everyMs);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Notes that something has come, or is read again from now on. */
  received(): void {
    this.#lastReceivedMs = this.#options.nowMs();
  }

  #beat(everyMs: number): void {
    const { send, isReading, onSilence, nowMs } = this.#options;
    send();
    if (!isReading()) return;
    const silentMs = nowMs() - this.#lastReceivedMs;
    if (silentMs >= COORDINATOR_SILENT_BEATS * everyMs) onSilence(silentMs);
  }
}
