/**
 * One step as the coordinator sees it: chunks come in from the workers, sums and factors go out, and when every slice
 * has contributed the step can be committed. A pure state machine: it knows neither sockets nor clocks.
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

const REFUSED = "what its worker sent for it was refused";

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
   * @param packing whether sums with many zeros go out packed. @default yes
   * @param pool buffers that chunks are decoded into. @default a new pool
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

  /** Begins an attempt at each of these slices. @returns the message that tells the worker */
  assign(worker: WorkerId, slices: readonly SliceId[]): Outgoing {
    const own = slices.flatMap((slice) => this.slices[slice]?.begin(worker, this.#parts) ?? []);
    return { to: worker, message: { ...this.announcement, slices: own } };
  }

  /** The message to workers that compute no slice of the step. */
  get announcement(): Assign {
    const { epoch, step, start, end, learningRate } = this.task;
    const sliceSamples = this.slices.map(({ samples }) => samples);
    return { type: "assign", epoch, step, start, end, learningRate, slices: [], sliceSamples };
  }

  /**
   * Takes in a chunk.
   *
   * @throws LockstepError ERR_ATTEMPT for a chunk that is not this worker's to send, ERR_CHUNK for far too many
   */
  onChunk(worker: WorkerId, chunk: Chunk): Outgoing[] {
    const found = this.#slices.attemptOf(worker, chunk);
    if (found === undefined) return this.#ignore(worker);
    const { slice, attempt } = found;
    const { part, offset } = chunk;
    const elements = this.#decoder.elementsOf(chunk, slice.samples);
    const received = attempt.received[part];
    if (elements === undefined || received === undefined)
      return this.#refuse(slice, attempt, "ERR_CHUNK", `No chunk of part ${part} begins at ${offset}.`);
    const again = part === 0 && attempt.pendingResends.delete(offset);
    if (received.has(offset) && !again) return this.#ignore(worker);
    const values = this.#decoder.decode(chunk, elements);
    if (typeof values === "string") return this.#refuse(slice, attempt, "ERR_CHUNK", values);
    if (!allFinite(values)) return this.#refuseNonFinite(slice, attempt);
    received.add(offset);
    this.#acceptedChunks++;
    return this.#forwarding.accept(slice, attempt, part === 0 ? { offset, values } : chunk);
  }

  /** Takes in a contribution. @throws LockstepError ERR_ATTEMPT for a contribution that is not this worker's to send */
  onContribution(worker: WorkerId, contribution: Contribution): Outgoing[] {
    const found = this.#slices.attemptOf(worker, contribution);
    if (found === undefined) return [];
    const { slice, attempt } = found;
    if (attempt.contribution !== undefined) return [];
    if (!(Math.abs(contribution.lossSum) <= MAX_LOSS_SUM)) return this.#refuseNonFinite(slice, attempt);
    const { samples } = slice;
    const isComplete = this.#decoder.hasAllChunks(attempt.received, samples);
    if (!isComplete || contribution.samples !== samples || contribution.correct > samples) {
      const reason = "Expected all pieces, and sums over all samples, of the slice.";
      return this.#refuse(slice, attempt, "ERR_CONTRIBUTION", reason);
    }
    attempt.contribution = contribution;
    const out: Outgoing[] = [];
    const others = [...slice.attempts.values()].filter((other) => other !== attempt);
    for (const other of others) this.#forwarding.withdraw(slice, other, out);
    this.#forwarding.promote(slice, attempt, out);
    return out;
  }

  /** Withdraws what a worker that is gone has not finished, or was to send again. A complete contribution stands. */
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

  /** Tells whether a worker was asked for pieces again, and has not sent them. */
  mustResend(worker: WorkerId): boolean {
    return this.#slices.mustResend(worker);
  }

  /**
   * Returns the rows [start, end) of the batch's epoch that a worker computes, for which it has not contributed yet.
   */
  openSlicesOf(worker: WorkerId): { start: number; end: number }[] {
    return this.slices.filter((slice) => slice.isOpenFor(worker)).map(({ start, end }) => ({ start, end }));
  }

  /** Returns the workers whose numbers for a slice were not finite though another's are complete; each of them once. */
  drainNonFiniteWorkers(slice: SliceId): WorkerId[] {
    return this.slices[slice]?.drainNonFiniteWorkers() ?? [];
  }

  /** Number of chunks taken so far, without repetitions and those that no longer count. */
  get acceptedChunks(): number {
    return this.#acceptedChunks;
  }

  /** Ends the step: all who are here have found a slice not finite, so it is the training, and not a worker. */
  markDiverged(): void {
    this.#diverged = true;
  }

  /** Whether every slice has contributed, and all sums have gone out. */
  get complete(): boolean {
    if (this.#diverged) return true;
    return this.#slices.areComplete && this.#sums.areComplete;
  }

  /**
   * Bytes that wait here: at most a dense part in float32 a slice, and a whole contribution for each further attempt.
   */
  get bufferedBytes(): number {
    return this.#slices.bufferedBytes + this.#sums.bufferedBytes;
  }

  /** Returns the sums over the batch, in slice order; `lossSum` is NaN if the training has come apart. */
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

  /** Returns the message that makes a complete step count. */
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
