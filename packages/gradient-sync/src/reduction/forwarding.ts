/** Sends what primary attempts send on to the others, and takes it back when one of them fails. */
import { type SliceId, type Step, toSliceId, type WorkerId } from "../protocol/ids.ts";
import type { DenseSums } from "./dense-sums.ts";
import type { Outgoing } from "./outgoing.ts";
import type { Attempt, CheckedPiece, SliceAttempts } from "./slice-attempts.ts";

/** The slice in messages of sums, which are of all slices. */
const SUM_SLICE = toSliceId(0);

/** Why a slice whose worker was lost needs another one. */
export const WORKER_DISCONNECTED = "its worker was lost";

/** Passes on the pieces of primary attempts: factors as they come, dense chunks as sums. */
export class Forwarding {
  readonly #step: Step;
  readonly #slices: readonly SliceAttempts[];
  readonly #sums: DenseSums;
  /** Workers that can send nothing again. */
  readonly #disconnected = new Set<WorkerId>();

  constructor(step: Step, slices: readonly SliceAttempts[], sums: DenseSums) {
    this.#step = step;
    this.#slices = slices;
    this.#sums = sums;
  }

  /** Notes that a worker can send nothing again. */
  markDisconnected(worker: WorkerId): void {
    this.#disconnected.add(worker);
  }

  /** Passes a piece on, or buffers it where another attempt is the primary one. */
  accept(slice: SliceAttempts, attempt: Attempt, piece: CheckedPiece): Outgoing[] {
    slice.primary ??= attempt;
    if (slice.primary === attempt) return this.#forward(slice.slice, attempt.worker, piece);
    attempt.buffered.push(piece);
    return [];
  }

  /** Makes an attempt the primary one, unless it is. */
  promote(slice: SliceAttempts, attempt: Attempt, out: Outgoing[]): void {
    if (slice.primary === attempt) return;
    slice.primary = attempt;
    for (const piece of attempt.buffered.splice(0)) out.push(...this.#forward(slice.slice, attempt.worker, piece));
  }

  /**
   * Takes an attempt out. If it was the primary one, its factors are dropped by label, and the sums that held its dense
   * part are made again: those who have sent theirs send it again, and a slice whose worker is lost, and can't, is
   * withdrawn with it.
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

  /** Asks the primary attempts to send once more what the sums at these offsets are made of. */
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
