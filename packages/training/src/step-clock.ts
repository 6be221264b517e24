/** Clocks for the parts of a step. */

/** Divides the time of a step among its parts. */
export interface StepClock {
  /** Adds the time since the last lap, or since the start, to `part`. */
  lap(part: string): void;
}

/** @param nowMs a monotonic clock in milliseconds */
export class LapClock implements StepClock {
  readonly #nowMs: () => number;
  #startMs: number;
  #lastMs: number;
  #parts: Record<string, number> = {};

  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
    this.#startMs = this.#lastMs = nowMs();
  }

  lap(part: string): void {
    const now = this.#nowMs();
    this.#parts[part] = (this.#parts[part] ?? 0) + now - this.#lastMs;
    this.#lastMs = now;
  }

  /** Ends the step: the milliseconds of each part, and `step` for the whole. The next step starts now. */
  finish(): Record<string, number> & { step: number } {
    const now = this.#nowMs();
    const ms = { step: now - this.#startMs, ...this.#parts };
    this.#parts = {};
    this.#startMs = this.#lastMs = now;
    return ms;
  }
}
