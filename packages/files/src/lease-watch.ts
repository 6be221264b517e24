/** Observes a lease that another process may hold. */
import { readFileSync } from "node:fs";
import {
  isRunning,
  isRunningNode,
  type LeaseHolder,
  ownIdentity,
  type ProcessIdentity,
  parseLease,
} from "./lease-holder.ts";

/** A lease that did not change for so long, by the observer's clock, is nobody's any more. */
export const STALE_MS = 60_000;

export interface LeaseWorld {
  own: ProcessIdentity;
  /** A clock that never goes back. */
  nowMs: () => number;
  /** The clock on the wall, which goes on while the machine is suspended. */
  wallMs: () => number;
  pause: (ms: number) => Promise<void>;
}

export const realWorld = (): LeaseWorld => ({
  own: ownIdentity(),
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
  pause: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
});

/** Tokens of the leases that this process holds: its other ones are left over from before. */
export const heldHere = new Set<string>();

/** What an observer knows of a lease; `unsure` until it has watched for long enough. */
export type LeaseState = "free" | "held" | "unsure";

/**
 * Judges a lease each time that it is asked. What a process of the same machine can tell about the holder counts at
 * once. Otherwise the lease is held if it changes, and free if it does not for `STALE_MS`. Times in the file are never
 * compared with this machine's clock.
 */
export class LeaseWatch {
  readonly #world: Pick<LeaseWorld, "own" | "nowMs">;
  #seen: string | undefined;
  #seenAtMs = 0;

  constructor(world: Pick<LeaseWorld, "own" | "nowMs">) {
    this.#world = world;
  }

  /** @param content of the lease's file; undefined if there is none */
  judge(content: string | undefined): LeaseState {
    const lease = content === undefined ? undefined : parseLease(content);
    if (lease === undefined) return "free";
    const known = lease.token === undefined ? isRunningNode(lease.pid) : this.#isAlive(lease);
    if (known !== undefined) return known ? "held" : "free";
    return this.#judgeByChange(content!);
  }

  /** Tells whether `content` has been the same for `STALE_MS`. */
  isUnchanged(content: string): boolean {
    return this.#judgeByChange(content) === "free";
  }

  #isAlive(holder: LeaseHolder): boolean | undefined {
    const { own } = this.#world;
    const running = isRunning(holder, own);
    return running && holder.pid === own.pid ? heldHere.has(holder.token) : running;
  }

  #judgeByChange(content: string): LeaseState {
    const nowMs = this.#world.nowMs();
    if (content === this.#seen) return nowMs - this.#seenAtMs >= STALE_MS ? "free" : "unsure";
    const changed = this.#seen !== undefined;
    this.#seen = content;
    this.#seenAtMs = nowMs;
    return changed ? "held" : "unsure";
  }
}

/** The content of a file; undefined if there is none. */
export function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
