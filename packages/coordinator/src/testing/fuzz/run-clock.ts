/** The clocks of runs on real sockets. Both reach the coordinator's limits soon. */
import { setTimeout } from "node:timers/promises";
import type { SocketWorker } from "./socket-worker.ts";

/** The clock of a live run, which also keeps workers from being silent. */
export interface RunClock {
  /** Returns the coordinator's time, in milliseconds. */
  readonly nowMs: () => number;
  /** Real milliseconds from one of the server's looks at a connection to the next. */
  readonly watchMs: number;
  /** Lets the coordinator hear from a worker until the clock stops. */
  keepHeard(worker: SocketWorker): void;
  /** Calls `tick` again and again. @returns a function that stops the clock */
  start(tick: () => void): () => void;
}

/** Real time, made faster. */
export class FastClock implements RunClock {
  readonly nowMs: () => number;
  /** So long that a peer which this machine holds up is not cut off before it has read the reason: see `Connection`. */
  readonly watchMs = 10_000;
  readonly #tickMs: number;
  readonly #timers: NodeJS.Timeout[] = [];

  /** @param speed the ratio to real time @param heartbeatMs the coordinator's heartbeat, by this clock */
  constructor({ speed, heartbeatMs }: { speed: number; heartbeatMs: number }) {
    this.nowMs = () => speed * performance.now();
    this.#tickMs = heartbeatMs / speed / 4;
  }

  keepHeard(worker: SocketWorker): void {
    this.#every(() => worker.beat());
  }

  start(tick: () => void): () => void {
    this.#every(tick);
    return () => {
      for (const timer of this.#timers.splice(0)) clearInterval(timer);
    };
  }

  #every(happen: () => void): void {
    this.#timers.push(setInterval(happen, this.#tickMs));
  }
}

/**
 * A clock that moves on by a second each time that all workers have responded. A limit of 20 s is over after 20
 * responses, however slow this machine is at the moment, and no load makes an honest worker late.
 */
export class ResponseClock implements RunClock {
  readonly nowMs = () => this.#nowMs;
  readonly watchMs = 500;
  readonly #workers: SocketWorker[] = [];
  #nowMs = 0;

  keepHeard(worker: SocketWorker): void {
    this.#workers.push(worker);
  }

  start(tick: () => void): () => void {
    const stopping = new AbortController();
    void this.#run(tick, stopping.signal);
    return () => stopping.abort();
  }

  async #run(tick: () => void, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await Promise.all(this.#workers.map((worker) => worker.respond()));
      this.#nowMs += 1000;
      tick();
      await setTimeout(1); // the workers have their turn
    }
  }
}
