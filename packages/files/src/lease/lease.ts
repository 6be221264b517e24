/**
 * A lease: a file that names the process which may write to a folder. The holder renews it, and another process takes
 * it over if it is not renewed. Leases work between machines that share the folder, and their clocks need not agree.
 */
import { randomUUID } from "node:crypto";
import { LockstepError } from "@lockstep/errors";
import { ignoreFileErrors, removeIfPossible } from "../best-effort.ts";
import { replaceFile } from "../replace-file.ts";
import { readIfPresent } from "../rewrite-file.ts";
import { isSystemError } from "../system-error.ts";
import { formatLease } from "./lease-holder.ts";
import { holderAsSubject } from "./lease-messages.ts";
import { type LeaseEnvironment, ownLeaseTokens, STALE_MS } from "./lease-watch.ts";
import { isLeaseOf, renewInPlace } from "./renew-lease.ts";

/** A lease that this process holds. */
export class Lease {
  /** Rejects with ERR_RUN_TAKEN when this process finds that another one has taken over the lease. */
  readonly lost: Promise<never>;
  readonly #path: string;
  readonly #dir: string;
  readonly #environment: LeaseEnvironment;
  readonly #token = randomUUID();
  #acquiredAtMs: number | undefined;
  /** Wall-clock time of the last renewal that this process knows of. */
  #renewedAtMs = 0;
  #endRenewing: (() => void) | undefined;
  /** The reason why this process may no longer write to the folder. */
  #end: LockstepError | undefined;
  #rejectLost: (error: LockstepError) => void = () => {};

  constructor(path: string, dir: string, environment: LeaseEnvironment) {
    this.#path = path;
    this.#dir = dir;
    this.#environment = environment;
    this.lost = new Promise((_, reject) => (this.#rejectLost = reject));
    this.lost.catch(() => {}); // the rejection is not unhandled if no caller waits for it
  }

  /**
   * Writes this lease in place of the content `found`, and starts to renew it.
   *
   * @returns false if another process was faster
   */
  put(found: string | undefined): boolean {
    const heldMs = this.#heldMs();
    if (!replaceFile(this.#path, found, formatLease(this.#environment.own, this.#token, heldMs))) return false;
    ownLeaseTokens.add(this.#token);
    this.#renewedAtMs = this.#environment.wallMs();
    const { renewMs, keepRenewing } = this.#environment;
    const renewal = { path: this.#path, token: this.#token, heldMs, everyMs: renewMs };
    this.#endRenewing ??= keepRenewing(renewal, (content) => this.#attempt(() => content));
    return true;
  }

  /**
   * Throws unless this process still holds the lease. Call it before each write to the folder.
   *
   * @throws LockstepError ERR_RUN_TAKEN, also after `release`
   */
  assertHeld(): void {
    const ageMs = this.#environment.wallMs() - this.#renewedAtMs;
    if (this.#end === undefined && ageMs > this.#environment.renewMs) this.#renew(); // after a suspend
    if (this.#end !== undefined) throw this.#end;
  }

  /** Ends the lease, and deletes its file if this process still holds it. */
  release(): void {
    this.#stop(`This process has released ${this.#dir}, and can no longer write to it.`);
    ownLeaseTokens.delete(this.#token);
    ignoreFileErrors(() => {
      if (this.#isOwn(readIfPresent(this.#path))) removeIfPossible(this.#path);
    });
  }

  #renew(): void {
    this.#attempt(() => renewInPlace({ path: this.#path, token: this.#token, heldMs: this.#heldMs() }));
  }

  /** Handles the content that `renew` finds in the file. Ignores disk errors; the next renewal retries. */
  #attempt(renew: () => string | undefined): void {
    try {
      this.#handleContent(renew());
    } catch (error) {
      if (!(error instanceof LockstepError) && !isSystemError(error)) throw error;
    }
  }

  /** @param found undefined if the file was deleted and no process has taken the lease */
  #handleContent(found: string | undefined): void {
    if (this.#end !== undefined) return;
    if (found === undefined) this.put(undefined);
    else if (this.#isOwn(found)) this.#renewedAtMs = this.#environment.wallMs();
    else this.#endTakenOver(found);
  }

  #endTakenOver(found: string): void {
    const error = this.#stop(
      `${holderAsSubject(found)} took over ${this.#dir} because this process did not renew its lease for ${STALE_MS / 1000} s: it was suspended, or the disk did not respond. This process has stopped writing; the other one continues from the last checkpoint.`,
    );
    this.#rejectLost(error);
  }

  /** Stops renewing. Returns the reason why the lease ended; only the first call sets it. */
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
