/** Forwards the chunks of primary attempts to the other workers, and withdraws them when an attempt fails. */
import { type SliceId, type Step, toSliceId, type WorkerId } from "../protocol/ids.ts";
import type { DenseSums } from "./dense-sums.ts";
import type { Outgoing } from "./outgoing.ts";
import type { Attempt, CheckedPiece, SliceAttempts } from "./slice-attempts.ts";

/** The slice field in messages of sums, which cover all slices. */
const SUM_SLICE = toSliceId(0);

/** Reason for which a slice needs another worker after its worker disconnected. */
export const WORKER_DISCONNECTED = "its worker disconnected";

/** Forwards the chunks of primary attempts: factors as they arrive, dense chunks as sums. */
export class Forwarding {
  readonly #step: Step;
  readonly #slices: readonly SliceAttempts[];
  readonly #sums: DenseSums;
  /** Disconnected workers, which cannot resend anything. */
  readonly #disconnected = new Set<WorkerId>();

  constructor(step: Step, slices: readonly SliceAttempts[], sums: DenseSums) {
    this.#step = step;
    this.#slices = slices;
    this.#sums = sums;
  }

  /** Records that a worker disconnected and cannot resend anything. */
  markDisconnected(worker: WorkerId): void {
    this.#disconnected.add(worker);
  }

  /** Forwards a chunk, or buffers it if another attempt is the primary one. */
  accept(slice: SliceAttempts, attempt: Attempt, piece: CheckedPiece): Outgoing[] {
    slice.primary ??= attempt;
    if (slice.primary === attempt) return this.#forward(slice.slice, attempt.worker, piece);
    attempt.buffered.push(piece);
    return [];
  }

  /** Makes an attempt the primary one, and forwards its buffered chunks. */
  promote(slice: SliceAttempts, attempt: Attempt, out: Outgoing[]): void {
    if (slice.primary === attempt) return;
    slice.primary = attempt;
    for (const piece of attempt.buffered.splice(0)) out.push(...this.#forward(slice.slice, attempt.worker, piece));
  }

  /**
   * Withdraws an attempt. If it was the primary one, the workers discard its factors, and the sums that included its
   * dense part are computed again: the workers of other slices resend their chunks, and a slice whose worker has
   * disconnected is withdrawn as well.
   */
  withdraw(slice: SliceAttempts, attempt: Attempt, out: Outgoing[]): void {
    slice.attempts.delete(attempt.attempt);
    if (slice.primary !== attempt) return;
    slice.primary = undefined;
    const again = this.#sums.withdraw(slice.slice);
    const label = { step: this.#step, slice: slice.slice, attempt: attempt.attempt };
    out.push({ to: "all", message: { type: "withdrawn", ...label, again } });
    if (again.length > 0) this.#requestResend(again, out);
    const next = [...slice.attempts.values()].find(({ buffered }) => buffered.length > 0);
    if (next !== undefined) this.promote(slice, next, out);
  }

  /** Marks the dense chunks at these offsets, which the workers of primary attempts must resend. */
  #requestResend(offsets: readonly number[], out: Outgoing[]): void {
    for (const slice of this.#slices) {
      const { primary } = slice;
      if (primary === undefined) continue;
      if (this.#disconnected.has(primary.worker)) {
        slice.openBecause = WORKER_DISCONNECTED;
        this.withdraw(slice, primary, out);
      } else for (const offset of offsets) primary.pendingResends.add(offset);
    }
  }

  #forward(slice: SliceId, worker: WorkerId, piece: CheckedPiece): Outgoing[] {
    if ("data" in piece) return [{ to: "all", except: worker, message: { ...piece, type: "update-chunk" } }];
    const sum = this.#sums.add(slice, piece);
    if (sum === undefined) return [];
    const place = { step: this.#step, slice: SUM_SLICE, attempt: 0, part: 0, offset: piece.offset };
    return [{ to: "all", message: { type: "update-chunk", ...place, ...sum } }];
  }
}
