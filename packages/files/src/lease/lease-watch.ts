/** Observes leases that other processes may hold. */
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

/** Milliseconds without a change, by the observer's clock, after which a lease is stale. */
export const STALE_MS = 60_000;
const RENEW_MS = 10_000;

/** The process identity and the clocks that a lease works with. Tests replace them. */
export interface LeaseEnvironment {
  own: ProcessIdentity;
  /** Returns the time of a monotonic clock. */
  nowMs: () => number;
  /** Returns the wall-clock time, which advances while the machine is suspended. */
  wallMs: () => number;
  pause: (ms: number) => Promise<void>;
  /** Milliseconds between two renewals of a lease. */
  renewMs: number;
  /** Renews a lease until the function that it returns is called. */
  keepRenewing: typeof renewOnThread;
}

/** Returns the environment with this process's identity, clocks and threads. */
export const realEnvironment = (renewMs = RENEW_MS): LeaseEnvironment => ({
  own: ownIdentity(),
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
  pause: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  renewMs,
  keepRenewing: renewOnThread,
});

/** The tokens of the leases that this process holds. Any other lease with this process id is stale. */
export const ownLeaseTokens = new Set<string>();

/** The state of a lease to an observer: `unsure` until the observer has watched it for long enough. */
export type LeaseState = "free" | "held" | "unsure";

/** A lease file that another process holds, or may hold. */
export interface Occupied {
  state: "held" | "unsure";
  /** Content of the lease file. */
  content: string;
}

/** The state of a lease at one moment. A free lease may have a file without a living holder. */
export type Observation = Occupied | { state: "free"; content: string | undefined };

/**
 * Judges whether a lease is held. On the holder's machine, the state of the holder's process decides at once. Elsewhere
 * the lease is held if its file changes, and free after `STALE_MS` without a change. Times in the file are never
 * compared with this machine's clock, so clocks need not agree.
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

  /** Reads the lease file and judges it. Call it repeatedly: an unsure state settles with time. */
  observe(): Observation {
    const content = readIfPresent(this.#path);
    return content === undefined ? { state: "free", content } : { state: this.#judge(content), content };
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

/** Judges whether a process still writes to a file, from changes of the content alone. */
export class ChangeWatch {
  readonly #nowMs: () => number;
  #seen: string | undefined;
  #seenAtMs = 0;

  constructor({ nowMs }: Pick<LeaseEnvironment, "nowMs">) {
    this.#nowMs = nowMs;
  }

  /** Judges the file, given its present content. */
  judge(content: string): LeaseState {
    const nowMs = this.#nowMs();
    if (content === this.#seen) return nowMs - this.#seenAtMs >= STALE_MS ? "free" : "unsure";
    const changed = this.#seen !== undefined;
    this.#seen = content;
    this.#seenAtMs = nowMs;
    return changed ? "held" : "unsure";
  }
}
