/**
 * A lease: a file that says which process may write to a folder. The holder renews it; one that is not renewed is
 * taken over. It works between machines that share the folder, and needs no clocks that agree.
 */
import { randomUUID } from "node:crypto";
import { LockstepError } from "@lockstep/errors";
import { ignoreFileErrors, removeIfPossible } from "../best-effort.ts";
import { replaceFile } from "../replace-file.ts";
import { readIfPresent } from "../rewrite-file.ts";
import { formatLease } from "./lease-holder.ts";
import { holderAsSubject } from "./lease-messages.ts";
import { type LeaseEnvironment, ownLeaseTokens, STALE_MS } from "./lease-watch.ts";
import { isLeaseOf, renewInPlace } from "./renew-lease.ts";

/** A lease that this process holds. */
export class Lease {
  /** Rejects with ERR_RUN_TAKEN when another process is found to have taken the lease. */
  readonly lost: Promise<never>;
  readonly #path: string;
  readonly #dir: string;
  readonly #environment: LeaseEnvironment;
  readonly #token = randomUUID();
  #acquiredAtMs: number | undefined;
  /** Start of the holder, by the clock on the wall. */
  #renewedAtMs = 0;
  #endRenewing: (() => void) | undefined;
  /** Why this process may not write to the folder any more. */
  #end: LockstepError | undefined;
  #rejectLost: (error: LockstepError) => void = () => {};

  constructor(path: string, dir: string, environment: LeaseEnvironment) {
    this.#path = path;
    this.#dir = dir;
    this.#environment = environment;
    this.lost = new Promise((_, reject) => (this.#rejectLost = reject));
    this.lost.catch(() => {}); // whoever waits for it hears of it
  }

  /**
   * Puts the lease in the place of what was found there.
   *
   * @returns whether it is there; if not, another process was quicker
   */
  put(found: string | undefined): boolean {
    const heldMs = this.#heldMs();
    if (!replaceFile(this.#path, found, formatLease(this.#environment.own, this.#token, heldMs))) return false;
    ownLeaseTokens.add(this.#token);
    this.#renewedAtMs = this.#environment.wallMs();
    const { renewMs, keepRenewing } = this.#environment;
    const renewal = { path: this.#path, token: this.#token, heldMs, everyMs: renewMs };
    this.#endRenewing ??= keepRenewing(renewal, (found) => this.#attempt(() => found));
    return true;
  }

  /**
   * Makes sure that the folder is still this process's, before it writes there.
   *
   * @throws LockstepError ERR_RUN_TAKEN, also after `release`
   */
  assertHeld(): void {
    const ageMs = this.#environment.wallMs() - this.#renewedAtMs;
    if (this.#end === undefined && ageMs > this.#environment.renewMs) this.#renew(); // the process or its machine was suspended
    if (this.#end !== undefined) throw this.#end;
  }

  /** Frees the folder, if it is still this process's. */
  release(): void {
    this.#stop(`This process has released ${this.#dir}, and may not write there any more.`);
    ownLeaseTokens.delete(this.#token);
    ignoreFileErrors(() => {
      if (this.#isOwn(readIfPresent(this.#path))) removeIfPossible(this.#path);
    });
  }

  #renew(): void {
    this.#attempt(() => renewInPlace({ path: this.#path, token: this.#token, heldMs: this.#heldMs() }));
  }

  /** Takes in what `renew` finds in the file. Ignores disk errors; the next renewal retries. */
  #attempt(renew: () => string | undefined): void {
    try {
      this.#handleContent(renew());
    } catch (error) {
      if (!(error instanceof LockstepError) && (error as NodeJS.ErrnoException).errno === undefined) throw error;
    }
  }

  /** @param found undefined if somebody deleted the file, and nobody took the lease */
  #handleContent(found: string | undefined): void {
    if (this.#end !== undefined) return;
    if (found === undefined) this.put(undefined);
    else if (this.#isOwn(found)) this.#renewedAtMs = this.#environment.wallMs();
    else this.#endTakenOver(found);
  }

  #endTakenOver(found: string): void {
    const error = this.#stop(
      `${holderAsSubject(found)} has taken ${this.#dir}, as this process did not renew its lease for ${STALE_MS / 1000} s: it was suspended, or the disk did not answer. This process has stopped writing; the other one continues from the last checkpoint.`,
    );
    this.#rejectLost(error);
  }

  /** @returns why the lease ended, the first time that it did */
  #stop(why: string): LockstepError {
    this.#endRenewing?.();
    this.#end ??= new LockstepError("ERR_RUN_TAKEN", why);
    return this.#end;
  }

  #heldMs(): number {
    const nowMs = this.#environment.nowMs();
    this.#acquiredAtMs ??= nowMs;
    return nowMs - this.#acquiredAtMs;
  }

  #isOwn(content: string | undefined): boolean {
    return content !== undefined && isLeaseOf(this.#token, content);
  }
}
