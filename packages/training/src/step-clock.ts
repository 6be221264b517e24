/** Measures the time of each part of a step. */

/** Measures the parts of a step. */
export interface StepClock {
  /** Adds the time since the last lap, or since the start, to `part`. */
  lap(part: string): void;
}

/** Measures the laps of a step with a clock. */
export class LapClock implements StepClock {
  readonly #nowMs: () => number;
  #startMs: number;
  #lastMs: number;
  #parts: Record<string, number> = {};

  /** @param nowMs a monotonic clock in milliseconds */
  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
    this.#startMs = this.#lastMs = nowMs();
  }

  lap(part: string): void {
    const now = this.#nowMs();
    this.#parts[part] = (this.#parts[part] ?? 0) + now - this.#lastMs;
    this.#lastMs = now;
  }

  /** Returns the milliseconds of each part and, as `step`, of the complete step. The next step starts now. */
  finish(): Record<string, number> & { step: number } {
    const now = this.#nowMs();
    const ms = { step: now - this.#startMs, ...this.#parts };
    this.#parts = {};
    this.#startMs = this.#lastMs = now;
    return ms;
  }
}
