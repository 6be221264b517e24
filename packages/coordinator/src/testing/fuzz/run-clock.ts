/** The clocks of runs on real sockets. By both, the coordinator's time limits expire soon. */
import { setTimeout } from "node:timers/promises";
import type { SocketWorker } from "./socket-worker.ts";

/** The coordinator's clock in a live run. It also makes workers send, so that they do not seem silent. */
export interface RunClock {
  /** Returns the coordinator's time, in milliseconds. */
  readonly nowMs: () => number;
  /** Real milliseconds between two checks of a connection by the server. */
  readonly watchMs: number;
  /** Makes a worker send regularly until the clock stops. */
  keepHeard(worker: SocketWorker): void;
  /** Calls `tick` regularly. @returns a function that stops the clock */
  start(tick: () => void): () => void;
}

/** A clock that runs faster than real time. */
export class FastClock implements RunClock {
  readonly nowMs: () => number;
  /**
   * Long enough for a peer on a loaded machine to read the close reason before it is disconnected: see `Connection`.
   */
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
 * A clock that advances by a second each time all workers have responded. A limit of 20 s expires after 20 responses,
 * however slow this machine is, so an honest worker is never late because of its load.
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
      await setTimeout(1); // lets the workers run
    }
  }
}
