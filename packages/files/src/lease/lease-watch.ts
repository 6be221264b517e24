/** Observes a lease that another process may hold. */
import { statSync } from "node:fs";
import { readIfPresent } from "../rewrite-file.ts";
import {
  isRunning,
  isRunningLockstep,
  type LeaseHolder,
  type LegacyHolder,
  ownIdentity,
  type ProcessIdentity,
  parseLease,
} from "./lease-holder.ts";
import { renewOnThread } from "./renewing-thread.ts";

/** A lease unchanged for this long, by the observer's clock, is stale. */
export const STALE_MS = 60_000;
const RENEW_MS = 10_000;

/** The process and the clocks as a lease sees them; tests have a world of their own. */
export interface LeaseEnvironment {
  own: ProcessIdentity;
  /** A clock that never goes back. */
  nowMs: () => number;
  /** The clock on the wall, which goes on while the machine is suspended. */
  wallMs: () => number;
  pause: (ms: number) => Promise<void>;
  /** Time between two renewals of a lease. */
  renewMs: number;
  /** Renews a lease until the function that it returns is called. */
  keepRenewing: typeof renewOnThread;
}

/** Returns this process, its clocks and its threads. */
export const realEnvironment = (renewMs = RENEW_MS): LeaseEnvironment => ({
  own: ownIdentity(),
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
  pause: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  renewMs,
  keepRenewing: renewOnThread,
});

/** The tokens of the leases that this process holds; other leases with this process id are stale. */
export const ownLeaseTokens = new Set<string>();

/** The state of a lease to an observer; `unsure` until it has watched for long enough. */
export type LeaseState = "free" | "held" | "unsure";

/** One look at a lease. */
export interface Observation {
  state: LeaseState;
  /** Content of the lease's file; undefined if there is none. */
  content: string | undefined;
}

/**
 * Judges a lease each time that it is asked. What a process of the same machine can tell about the holder counts at
 * once. Otherwise the lease is held if it changes, and free if it does not for `STALE_MS`. Times in the file are never
 * compared with this machine's clock.
 */
export class LeaseWatch {
  readonly #path: string;
  readonly #own: ProcessIdentity;
  readonly #changes: ChangeWatch;

  constructor(path: string, environment: Pick<LeaseEnvironment, "own" | "nowMs">) {
    this.#path = path;
    this.#own = environment.own;
    this.#changes = new ChangeWatch(environment);
  }

  observe(): Observation {
    const content = readIfPresent(this.#path);
    return { state: content === undefined ? "free" : this.#judge(content), content };
  }

  #judge(content: string): LeaseState {
    const lease = parseLease(content);
    if (lease === undefined) return "free";
    const alive = this.#isAlive(lease);
    if (alive === undefined) return this.#changes.judge(content);
    return alive ? "held" : "free";
  }

  #isAlive(holder: LeaseHolder | LegacyHolder): boolean | undefined {
    if (holder.token === undefined) return isRunningLockstep(holder.pid, this.#modifiedAtMs());
    const running = isRunning(holder, this.#own);
    return running && holder.pid === this.#own.pid ? ownLeaseTokens.has(holder.token) : running;
  }

  #modifiedAtMs(): number {
    return statSync(this.#path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  }
}

/** Judges by its changes alone whether somebody still writes a file. */
export class ChangeWatch {
  readonly #nowMs: () => number;
  #seen: string | undefined;
  #seenAtMs = 0;

  constructor({ nowMs }: Pick<LeaseEnvironment, "nowMs">) {
    this.#nowMs = nowMs;
  }

  /** Judges the content that the file has now. */
  judge(content: string): LeaseState {
    const nowMs = this.#nowMs();
    if (content === this.#seen) return nowMs - this.#seenAtMs >= STALE_MS ? "free" : "unsure";
    const changed = this.#seen !== undefined;
    this.#seen = content;
    this.#seenAtMs = nowMs;
    return changed ? "held" : "unsure";
  }
}
