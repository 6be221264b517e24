/**
 * The coordinator's view of one step: chunks arrive from the workers, sums and factors go out, and the step can be
 * committed once every slice has a contribution. This is a pure state machine without sockets or clocks.
 */
import type { ErrorCode } from "@lockstep/errors";
import type { Layout } from "../layout/layout.ts";
import { allFinite } from "../layout/wire.ts";
import type { SliceId, WorkerId } from "../protocol/ids.ts";
import { MAX_LOSS_SUM } from "../protocol/limits.ts";
import { BufferPool } from "./buffer-pool.ts";
import { ChunkDecoder } from "./chunk-decoder.ts";
import { DenseSums } from "./dense-sums.ts";
import { Forwarding, WORKER_DISCONNECTED } from "./forwarding.ts";
import { IgnoredChunks } from "./ignored-chunks.ts";
import type { Assign, Chunk, Contribution, Outgoing, RoundTask } from "./outgoing.ts";
import type { Attempt, SliceAttempts } from "./slice-attempts.ts";
import { type SliceRange, StepSlices } from "./step-slices.ts";

const REFUSED = "the contribution of its worker was rejected";

/** The server's end of the reduction, for one step. */
export class StepRound {
  readonly task: RoundTask;
  readonly #slices: StepSlices;
  readonly #parts: number;
  readonly #decoder: ChunkDecoder;
  readonly #sums: DenseSums;
  readonly #forwarding: Forwarding;
  readonly #ignored = new IgnoredChunks();
  #acceptedChunks = 0;
  #diverged = false;

  /**
   * @param packing whether to pack sums with many zeros
   * @param pool provides the buffers for decoded chunks
   */
  constructor(task: RoundTask, slices: readonly SliceRange[], layout: Layout, packing = true, pool = new BufferPool()) {
    this.task = task;
    this.#slices = new StepSlices(task.step, slices);
    this.#parts = layout.rowElements.length;
    this.#decoder = new ChunkDecoder(layout, pool);
    this.#sums = new DenseSums({ slices: slices.length, layout, packing, pool });
    this.#forwarding = new Forwarding(task.step, this.slices, this.#sums);
  }

  /** All slices of the step, in order. */
  get slices(): readonly SliceAttempts[] {
    return this.#slices.all;
  }

  /** Starts an attempt at each of these slices. @returns the message for the worker */
  assign(worker: WorkerId, slices: readonly SliceId[]): Outgoing {
    const own = slices.flatMap((slice) => this.slices[slice]?.begin(worker, this.#parts) ?? []);
    return { to: worker, message: { ...this.announcement, slices: own } };
  }

  /** The message for workers that compute no slice of the step. */
  get announcement(): Assign {
    const { epoch, step, start, end, learningRate } = this.task;
    const sliceSamples = this.slices.map(({ samples }) => samples);
    return { type: "assign", epoch, step, start, end, learningRate, slices: [], sliceSamples };
  }

  /**
   * Handles a chunk.
   *
   * @throws LockstepError ERR_ATTEMPT if the attempt is not this worker's, ERR_CHUNK after too many ignored chunks
   */
  onChunk(worker: WorkerId, chunk: Chunk): Outgoing[] {
    const found = this.#slices.attemptOf(worker, chunk);
    if (found === undefined) return this.#ignore(worker);
    const { slice, attempt } = found;
    const { part, offset } = chunk;
    const elements = this.#decoder.elementsOf(chunk, slice.samples);
    const received = attempt.received[part];
    if (elements === undefined || received === undefined)
      return this.#refuse(
        slice,
        attempt,
        "ERR_CHUNK",
        `Expected the offset of a chunk of part ${part}, got ${offset}.`,
      );
    const again = part === 0 && attempt.pendingResends.delete(offset);
    if (received.has(offset) && !again) return this.#ignore(worker);
    const values = this.#decoder.decode(chunk, elements);
    if (typeof values === "string") return this.#refuse(slice, attempt, "ERR_CHUNK", values);
    if (!allFinite(values)) return this.#refuseNonFinite(slice, attempt);
    received.add(offset);
    this.#acceptedChunks++;
    return this.#forwarding.accept(slice, attempt, part === 0 ? { offset, values } : chunk);
  }

  /** Handles a contribution. @throws LockstepError ERR_ATTEMPT if the attempt is not this worker's */
  onContribution(worker: WorkerId, contribution: Contribution): Outgoing[] {
    const found = this.#slices.attemptOf(worker, contribution);
    if (found === undefined) return [];
    const { slice, attempt } = found;
    if (attempt.contribution !== undefined) return [];
    if (!(Math.abs(contribution.lossSum) <= MAX_LOSS_SUM)) return this.#refuseNonFinite(slice, attempt);
    const { samples } = slice;
    const isComplete = this.#decoder.hasAllChunks(attempt.received, samples);
    if (!isComplete || contribution.samples !== samples || contribution.correct > samples) {
      const reason = "Expected all chunks of the slice and sums over all of its samples, got fewer or others.";
      return this.#refuse(slice, attempt, "ERR_CONTRIBUTION", reason);
    }
    attempt.contribution = contribution;
    const out: Outgoing[] = [];
    const others = [...slice.attempts.values()].filter((other) => other !== attempt);
    for (const other of others) this.#forwarding.withdraw(slice, other, out);
    this.#forwarding.promote(slice, attempt, out);
    return out;
  }

  /** Withdraws the attempts of a disconnected worker, except complete ones of which it has nothing to resend. */
  removeWorker(worker: WorkerId): Outgoing[] {
    this.#forwarding.markDisconnected(worker);
    const out: Outgoing[] = [];
    for (const slice of this.slices) {
      for (const attempt of [...slice.attempts.values()]) {
        const stands = attempt.contribution !== undefined && attempt.pendingResends.size === 0;
        if (attempt.worker !== worker || stands) continue;
        slice.openBecause = WORKER_DISCONNECTED;
        this.#forwarding.withdraw(slice, attempt, out);
      }
    }
    return out;
  }

  /** Returns whether a worker must still resend chunks. */
  mustResend(worker: WorkerId): boolean {
    return this.#slices.mustResend(worker);
  }

  /**
   * Returns the slices, as samples [start, end) of the epoch's order, for which a worker's contribution is outstanding.
   */
  openSlicesOf(worker: WorkerId): { start: number; end: number }[] {
    return this.slices.filter((slice) => slice.isOpenFor(worker)).map(({ start, end }) => ({ start, end }));
  }

  /** Returns and clears the workers that sent NaN or infinity for a slice, once another attempt is complete. */
  drainNonFiniteWorkers(slice: SliceId): WorkerId[] {
    return this.slices[slice]?.drainNonFiniteWorkers() ?? [];
  }

  /** Number of chunks accepted so far, without ignored ones. */
  get acceptedChunks(): number {
    return this.#acceptedChunks;
  }

  /**
   * Ends the step as diverged: every worker computed NaN or infinity for a slice, so the cause is not a single worker.
   */
  markDiverged(): void {
    this.#diverged = true;
  }

  /** Whether every slice has a contribution and all sums have been sent. */
  get complete(): boolean {
    if (this.#diverged) return true;
    return this.#slices.areComplete && this.#sums.areComplete;
  }

  /**
   * Bytes of buffered chunks: at most one dense part in float32 per slice, and a complete contribution per further
   * attempt.
   */
  get bufferedBytes(): number {
    return this.#slices.bufferedBytes + this.#sums.bufferedBytes;
  }

  /** Returns the sums over the batch, in slice order; `lossSum` is NaN if training has diverged. */
  totals(): { samples: number; lossSum: number; correct: number } {
    const { samples } = this.#slices;
    if (this.#diverged) return { samples, lossSum: Number.NaN, correct: 0 };
    const all = this.#slices.completeAttempts().map(({ contribution }) => contribution);
    return {
      samples,
      lossSum: all.reduce((total, { lossSum }) => total + lossSum, 0),
      correct: all.reduce((total, { correct }) => total + correct, 0),
    };
  }

  /** Returns the message that commits the complete step. */
  commit(): Outgoing {
    const attempts = this.#slices.completeAttempts().map(({ attempt }) => attempt);
    return { to: "all", message: { type: "commit", step: this.task.step, attempts, ...this.totals() } };
  }

  #ignore(worker: WorkerId): Outgoing[] {
    this.#ignored.add(worker);
    return [];
  }

  #refuseNonFinite(slice: SliceAttempts, attempt: Attempt): Outgoing[] {
    slice.nonFiniteWorkers.add(attempt.worker);
    return this.#refuse(slice, attempt, "ERR_NOT_FINITE", "Expected finite numbers, got NaN or infinity.");
  }

  #refuse(slice: SliceAttempts, attempt: Attempt, code: ErrorCode, reason: string): Outgoing[] {
    slice.excludedWorkers.add(attempt.worker);
    slice.openBecause = REFUSED;
    const label = { step: this.task.step, slice: slice.slice, attempt: attempt.attempt };
    const out: Outgoing[] = [{ to: attempt.worker, message: { type: "rejected", ...label, code, reason } }];
    this.#forwarding.withdraw(slice, attempt, out);
    return out;
  }
}
