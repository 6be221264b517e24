/** Looks for a coordinator that went away, at random intervals, so that many workers do not all come at once. */
import { setTimeout as pause } from "node:timers/promises";
import { LockstepError } from "@lockstep/errors";
import type { JoinOptions } from "@lockstep/transport";
import { connect } from "./connect.ts";
import type { Connection } from "./connection.ts";
import { Dismissed } from "./inbox.ts";

/** Reasons for which a connection ends that say nothing against this worker: it may come again. */
const TRANSIENT = ["ERR_DISCONNECTED", "ERR_CONNECT", "ERR_SILENT", "ERR_STALLED", "ERR_SLOW_READER", "ERR_STATE_LOST"];
/**
 * Refusals for the number of workers or of refused joins: when a worker comes back, its last connection may still
 * count.
 */
const BUSY = ["ERR_FULL", "ERR_LIMITED"];
/** Wait before the first attempt to come back; it doubles with each further one, up to `longest`. */
const BACKOFF_MS = { first: 250, longest: 2000 };

/** Where the coordinator is, and how long it is looked for. */
export interface ReconnectionOptions {
  /** ws://host:port, or wss:// */
  coordinator: string;
  /** What the coordinator wants to see of this worker, and this worker of it. */
  join: JoinOptions;
  /** For how long a coordinator that went away is looked for. */
  reconnectMs: number;
}

/**
 * Tells whether a worker whose connection ended for this may come again.
 *
 * @param isReconnecting whether it was there before
 */
export function isTransient(error: unknown, isReconnecting = false): error is LockstepError {
  return error instanceof LockstepError && (TRANSIENT.includes(error.code) || (isReconnecting && isBusy(error)));
}

/** Tells whether a worker was turned away for what others do, which may change. */
export function isBusy(error: unknown): boolean {
  return error instanceof LockstepError && BUSY.includes(error.code);
}

/**
 * One search goes on until a coordinator says welcome and has room: one that only drops connections does not end it.
 */
export class Reconnection {
  readonly #options: ReconnectionOptions;
  readonly #disconnectError: LockstepError;
  readonly #deadlineMs: number;
  #waitMs = BACKOFF_MS.first;

  /** @param disconnectError why there is no connection any more */
  constructor(options: ReconnectionOptions, disconnectError: LockstepError) {
    this.#options = options;
    this.#disconnectError = disconnectError;
    this.#deadlineMs = performance.now() + options.reconnectMs;
  }

  /**
   * @param last why the last connection ended
   * @throws Dismissed if it is to leave meanwhile
   * @throws LockstepError ERR_DISCONNECTED when the time is over, ERR_FULL or ERR_LIMITED if it was turned away last,
   *   or what it was refused for
   */
  async connect(last: LockstepError, leave: AbortSignal): Promise<Connection> {
    const { coordinator, join, reconnectMs } = this.#options;
    let cause = last;
    while (performance.now() < this.#deadlineMs) {
      await pause(this.#waitMs * (0.5 + Math.random() / 2), undefined, { signal: leave }).catch(() => {});
      this.#waitMs = Math.min(2 * this.#waitMs, BACKOFF_MS.longest);
      if (leave.aborted) throw new Dismissed();
      try {
        const connection = await connect(coordinator, join);
        if (!leave.aborted) return connection;
        await connection.close();
        throw new Dismissed();
      } catch (error) {
        if (!isTransient(error, true)) throw error;
        cause = error;
      }
    }
    if (reconnectMs === 0) throw this.#disconnectError;
    if (isBusy(cause)) throw cause;
    const text = `${this.#disconnectError.message} It did not come back within ${Math.round(reconnectMs / 1000)} s.`;
    throw new LockstepError(
      "ERR_DISCONNECTED",
      `${text} The run goes on from its last checkpoint with pnpm coordinator --resume DIR.`,
      { cause },
    );
  }
}
