/** Forwards the chunks of primary attempts to the other workers, and withdraws them when an attempt fails. */
import { type Step, type SubtreeId, toSubtreeId, type WorkerId } from "../protocol/ids.ts";
import type { DenseSums } from "./dense-sums.ts";
import type { Outgoing } from "./outgoing.ts";
import type { Attempt, CheckedPiece, SubtreeAttempts } from "./subtree-attempts.ts";

/** The subtree field in messages of sums, which cover all slices. */
const SUM_SUBTREE = toSubtreeId(0);

/** Reason for which a subtree needs another worker after its worker disconnected. */
export const WORKER_DISCONNECTED = "its worker disconnected";

/** Forwards the chunks of primary attempts: factors as they arrive, dense chunks as sums. */
export class Forwarding {
  readonly #step: Step;
  readonly #subtrees: readonly SubtreeAttempts[];
  readonly #sums: DenseSums;
  /** Disconnected workers, which cannot resend anything. */
  readonly #disconnected = new Set<WorkerId>();

  constructor(step: Step, subtrees: readonly SubtreeAttempts[], sums: DenseSums) {
    this.#step = step;
    this.#subtrees = subtrees;
    this.#sums = sums;
  }

  /** Records that a worker disconnected and cannot resend anything. */
  markDisconnected(worker: WorkerId): void {
    this.#disconnected.add(worker);
  }

  /** Forwards a chunk, or buffers it if another attempt is the primary one. */
  accept(subtree: SubtreeAttempts, attempt: Attempt, piece: CheckedPiece): Outgoing[] {
    subtree.primary ??= attempt;
    if (subtree.primary === attempt) return this.#forward(subtree.id, attempt.worker, piece);
    attempt.buffered.push(piece);
    return [];
  }

  /** Makes an attempt the primary one, and forwards its buffered chunks. */
  promote(subtree: SubtreeAttempts, attempt: Attempt, out: Outgoing[]): void {
    if (subtree.primary === attempt) return;
    subtree.primary = attempt;
    for (const piece of attempt.buffered.splice(0)) out.push(...this.#forward(subtree.id, attempt.worker, piece));
  }

  /**
   * Withdraws an attempt. If it was the primary one, the workers discard its factors, and the sums that included its
   * dense part are computed again: the workers of other subtrees resend their chunks, and a subtree whose worker has
   * disconnected is withdrawn as well.
   */
  withdraw(subtree: SubtreeAttempts, attempt: Attempt, out: Outgoing[]): void {
    subtree.attempts.delete(attempt.number);
    if (subtree.primary !== attempt) return;
    subtree.primary = undefined;
    const again = this.#sums.withdraw(subtree.id);
    const label = { step: this.#step, subtree: subtree.id, attempt: attempt.number };
    out.push({ to: "all", message: { type: "withdrawn", ...label, again } });
    if (again.length > 0) this.#requestResend(again, out);
    const next = [...subtree.attempts.values()].find(({ buffered }) => buffered.length > 0);
    if (next !== undefined) this.promote(subtree, next, out);
  }

  /** Marks the dense chunks at these offsets, which the workers of primary attempts must resend. */
  #requestResend(offsets: readonly number[], out: Outgoing[]): void {
    for (const subtree of this.#subtrees) {
      const { primary } = subtree;
      if (primary === undefined) continue;
      if (this.#disconnected.has(primary.worker)) {
        subtree.pendingReason = WORKER_DISCONNECTED;
        this.withdraw(subtree, primary, out);
      } else for (const offset of offsets) primary.pendingResends.add(offset);
    }
  }

  #forward(subtree: SubtreeId, worker: WorkerId, piece: CheckedPiece): Outgoing[] {
    if ("data" in piece) return [{ to: "all", except: worker, message: { ...piece, type: "update-chunk" } }];
    const sum = this.#sums.add(subtree, piece);
    if (sum === undefined) return [];
    const place = { step: this.#step, subtree: SUM_SUBTREE, attempt: 0, part: 0, offset: piece.offset };
    return [{ to: "all", message: { type: "update-chunk", ...place, ...sum } }];
  }
}
