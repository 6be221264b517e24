/** Reconnects to a coordinator that went away, at random intervals so that many workers do not reconnect at once. */
import { setTimeout as sleep } from "node:timers/promises";
import { LockstepError } from "@lockstep/errors";
import type { JoinOptions } from "@lockstep/transport";
import { connect } from "./connect.ts";
import type { Connection } from "./connection.ts";
import { Dismissed } from "./inbox.ts";

/** Codes with which a connection may end through no fault of this worker: it may reconnect. */
const TRANSIENT = ["ERR_DISCONNECTED", "ERR_CONNECT", "ERR_SILENT", "ERR_STALLED", "ERR_SLOW_READER", "ERR_STATE_LOST"];
/** Refusals because of a limit: when a worker reconnects, its previous connection may still count towards it. */
const BUSY = ["ERR_FULL", "ERR_LIMITED"];
/** Delay before the first attempt to reconnect; it doubles with each further attempt, up to `longest`. */
const BACKOFF_MS = { first: 250, longest: 2000 };

/** Options of the attempts to reconnect. */
export interface ReconnectionOptions {
  /** URL of the coordinator: ws://host:port or wss://host:port. */
  coordinator: string;
  /** Credentials of this worker, and the checks of the coordinator's. */
  join: JoinOptions;
  /** Milliseconds for which a worker tries to reconnect; 0 for not at all. */
  reconnectMs: number;
}

/** The clock and the network of a reconnection. */
export interface ReconnectionEnvironment {
  /** Returns the time, in milliseconds. */
  nowMs(): number;
  /** Resolves after some milliseconds, or when the signal aborts. */
  pause(ms: number, signal: AbortSignal): Promise<void>;
  /** Connects to the coordinator. @throws LockstepError if it refuses the worker or cannot be reached */
  connect(coordinator: string, join: JoinOptions): Promise<Connection>;
}

const REAL_ENVIRONMENT: ReconnectionEnvironment = {
  nowMs: () => performance.now(),
  pause: (ms, signal) => sleep(ms, undefined, { signal }).catch(() => {}),
  connect,
};

/**
 * Returns whether a worker whose connection ended with this error may reconnect.
 *
 * @param options.isReconnecting true if it was connected before: then a limit that refuses it may be its own last
 *   connection
 */
export function isTransient(error: unknown, { isReconnecting = false } = {}): error is LockstepError {
  return error instanceof LockstepError && (TRANSIENT.includes(error.code) || (isReconnecting && isBusy(error)));
}

/** Returns whether a limit of the coordinator refused the worker, which may change. */
export function isBusy(error: unknown): boolean {
  return error instanceof LockstepError && BUSY.includes(error.code);
}

/**
 * The attempts to reconnect after one disconnect. They share a deadline, which lasts until the coordinator sends
 * `welcome`: one that only accepts connections and drops them does not extend it.
 */
export class Reconnection {
  readonly #options: ReconnectionOptions;
  readonly #disconnectError: LockstepError;
  readonly #environment: ReconnectionEnvironment;
  readonly #deadlineMs: number;
  #waitMs = BACKOFF_MS.first;

  /** @param disconnectError the error that ended the connection */
  constructor(options: ReconnectionOptions, disconnectError: LockstepError, environment = REAL_ENVIRONMENT) {
    this.#options = options;
    this.#disconnectError = disconnectError;
    this.#environment = environment;
    this.#deadlineMs = environment.nowMs() + options.reconnectMs;
  }

  /**
   * Connects as soon as the coordinator accepts a connection.
   *
   * @param last the error that ended the last connection
   * @param leave aborts when this worker is to leave
   * @throws Dismissed if `leave` aborts
   * @throws LockstepError ERR_DISCONNECTED at the deadline, ERR_FULL or ERR_LIMITED if a limit refused the last
   *   attempt, or the code of a refusal that is final
   */
  async connect(last: LockstepError, leave: AbortSignal): Promise<Connection> {
    const { coordinator, join, reconnectMs } = this.#options;
    let cause = last;
    while (this.#environment.nowMs() < this.#deadlineMs) {
      await this.#environment.pause(this.#waitMs * (0.5 + Math.random() / 2), leave);
      this.#waitMs = Math.min(2 * this.#waitMs, BACKOFF_MS.longest);
      if (leave.aborted) throw new Dismissed();
      try {
        const connection = await this.#environment.connect(coordinator, join);
        if (!leave.aborted) return connection;
        await connection.close();
        throw new Dismissed();
      } catch (error) {
        if (!isTransient(error, { isReconnecting: true })) throw error;
        cause = error;
      }
    }
    if (reconnectMs === 0) throw this.#disconnectError;
    if (isBusy(cause)) throw cause;
    const text = `${this.#disconnectError.message} It could not be reached again within ${Math.round(reconnectMs / 1000)} s.`;
    throw new LockstepError(
      "ERR_DISCONNECTED",
      `${text} Resume the run from its last checkpoint with pnpm coordinator --resume DIR.`,
      { cause },
    );
  }
}
