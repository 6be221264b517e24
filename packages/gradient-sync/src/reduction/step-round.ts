/**
 * The coordinator's view of one step: chunks arrive from the workers, sums and factors go out, and the step can be
 * committed once every subtree has a contribution. This is a pure state machine without sockets or clocks.
 */
import type { ErrorCode } from "@lockstep/errors";
import type { Layout } from "../layout/layout.ts";
import { allFinite } from "../layout/wire.ts";
import type { SubtreeId, WorkerId } from "../protocol/ids.ts";
import { MAX_LOSS_SUM } from "../protocol/limits.ts";
import { BufferPool } from "./buffer-pool.ts";
import { ChunkDecoder } from "./chunk-decoder.ts";
import { DenseSums } from "./dense-sums.ts";
import { Forwarding, WORKER_DISCONNECTED } from "./forwarding.ts";
import { IgnoredChunks } from "./ignored-chunks.ts";
import type { Assign, Chunk, Contribution, Outgoing, RoundTask } from "./outgoing.ts";
import { StepSubtrees } from "./step-subtrees.ts";
import type { Attempt, SubtreeAttempts, SubtreeRange } from "./subtree-attempts.ts";
import { treeSum } from "./tree-sum.ts";

const REFUSED = "the contribution of its worker was rejected";

/** The server's end of the reduction, for one step. */
export class StepRound {
  readonly task: RoundTask;
  readonly #subtrees: StepSubtrees;
  readonly #parts: number;
  readonly #decoder: ChunkDecoder;
  readonly #sums: DenseSums;
  readonly #forwarding: Forwarding;
  readonly #ignored = new IgnoredChunks();
  #acceptedChunks = 0;
  #diverged = false;

  /**
   * @param options.packing whether to pack sums with many zeros
   * @param options.pool provides the buffers for decoded chunks
   */
  constructor(
    task: RoundTask,
    subtrees: readonly SubtreeRange[],
    layout: Layout,
    { packing = true, pool = new BufferPool() } = {},
  ) {
    this.task = task;
    this.#subtrees = new StepSubtrees(task.step, subtrees);
    this.#parts = layout.rowElements.length;
    this.#decoder = new ChunkDecoder(layout, pool);
    this.#sums = new DenseSums({ subtreeSlices: this.#subtrees.slices, layout, packing, pool });
    this.#forwarding = new Forwarding(task.step, this.subtrees, this.#sums);
  }

  /** All subtrees of the step, in order. */
  get subtrees(): readonly SubtreeAttempts[] {
    return this.#subtrees.all;
  }

  /** Number of slices of the step. */
  get sliceCount(): number {
    return this.#subtrees.slices.reduce((total, slices) => total + slices, 0);
  }

  /** Starts an attempt at each of these subtrees. @returns the message for the worker */
  assign(worker: WorkerId, subtrees: readonly SubtreeId[]): Outgoing {
    const attempts = subtrees.flatMap((subtree) => this.subtrees[subtree]?.begin(worker, this.#parts) ?? []);
    return { to: worker, message: { ...this.announcement, attempts } };
  }

  /** The message for workers that compute no subtree of the step. */
  get announcement(): Assign {
    const { epoch, step, start, end, learningRate } = this.task;
    const sliceSamples = this.subtrees.flatMap((subtree) => subtree.sliceSamples);
    const subtreeSlices = [...this.#subtrees.slices];
    return { type: "assign", epoch, step, start, end, learningRate, attempts: [], sliceSamples, subtreeSlices };
  }

  /**
   * Handles a chunk.
   *
   * @throws LockstepError ERR_ATTEMPT if the attempt is not this worker's, ERR_CHUNK after too many ignored chunks
   */
  onChunk(worker: WorkerId, chunk: Chunk): Outgoing[] {
    const found = this.#subtrees.attemptOf(worker, chunk);
    if (found === undefined) return this.#ignore(worker);
    const { subtree, attempt } = found;
    const { part, offset } = chunk;
    const elements = this.#decoder.elementsOf(chunk, subtree.samples);
    const received = attempt.received[part];
    if (elements === undefined || received === undefined)
      return this.#refuse(
        subtree,
        attempt,
        "ERR_CHUNK",
        `Expected the offset of a chunk of part ${part}, got ${offset}.`,
      );
    const again = part === 0 && attempt.pendingResends.delete(offset);
    if (received.has(offset) && !again) return this.#ignore(worker);
    const values = this.#decoder.decode(chunk, elements);
    if (typeof values === "string") return this.#refuse(subtree, attempt, "ERR_CHUNK", values);
    if (!allFinite(values)) return this.#refuseNonFinite(subtree, attempt);
    received.add(offset);
    this.#acceptedChunks++;
    return this.#forwarding.accept(subtree, attempt, part === 0 ? { offset, values } : chunk);
  }

  /** Handles a contribution. @throws LockstepError ERR_ATTEMPT if the attempt is not this worker's */
  onContribution(worker: WorkerId, contribution: Contribution): Outgoing[] {
    const found = this.#subtrees.attemptOf(worker, contribution);
    if (found === undefined) return [];
    const { subtree, attempt } = found;
    if (attempt.contribution !== undefined) return [];
    if (!(Math.abs(contribution.lossSum) <= MAX_LOSS_SUM)) return this.#refuseNonFinite(subtree, attempt);
    const { samples } = subtree;
    const isComplete = this.#decoder.hasAllChunks(attempt.received, samples);
    if (!isComplete || contribution.samples !== samples || contribution.correct > samples) {
      const reason = "Expected all chunks of the slices and sums over all of their samples, got fewer or others.";
      return this.#refuse(subtree, attempt, "ERR_CONTRIBUTION", reason);
    }
    attempt.contribution = contribution;
    const out: Outgoing[] = [];
    const others = [...subtree.attempts.values()].filter((other) => other !== attempt);
    for (const other of others) this.#forwarding.withdraw(subtree, other, out);
    this.#forwarding.promote(subtree, attempt, out);
    return out;
  }

  /** Withdraws the attempts of a disconnected worker, except complete ones of which it has nothing to resend. */
  removeWorker(worker: WorkerId): Outgoing[] {
    this.#forwarding.markDisconnected(worker);
    const out: Outgoing[] = [];
    for (const subtree of this.subtrees) {
      for (const attempt of [...subtree.attempts.values()]) {
        const stands = attempt.contribution !== undefined && attempt.pendingResends.size === 0;
        if (attempt.worker !== worker || stands) continue;
        subtree.pendingReason = WORKER_DISCONNECTED;
        this.#forwarding.withdraw(subtree, attempt, out);
      }
    }
    return out;
  }

  /** Returns whether a worker must still resend chunks. */
  mustResend(worker: WorkerId): boolean {
    return this.#subtrees.mustResend(worker);
  }

  /**
   * Returns the samples, as ranges [start, end) of the epoch's order, for which a worker's contribution is outstanding.
   */
  openRangesOf(worker: WorkerId): { start: number; end: number }[] {
    return this.subtrees.filter((subtree) => subtree.isOpenFor(worker)).map(({ start, end }) => ({ start, end }));
  }

  /** Returns and clears the workers that sent NaN or infinity for a subtree, once another attempt is complete. */
  drainNonFiniteWorkers(subtree: SubtreeId): WorkerId[] {
    return this.subtrees[subtree]?.drainNonFiniteWorkers() ?? [];
  }

  /** Number of chunks accepted so far, without ignored ones. */
  get acceptedChunks(): number {
    return this.#acceptedChunks;
  }

  /**
   * Ends the step as diverged: every worker computed NaN or infinity for a subtree, so the
   * cause is not a single worker.
   */
  markDiverged(): void {
    this.#diverged = true;
  }

  /** Whether every subtree has a contribution and all sums have been sent. */
  get complete(): boolean {
    if (this.#diverged) return true;
    return this.#subtrees.areComplete && this.#sums.areComplete;
  }

  /**
   * Bytes of buffered chunks: at most one dense part in float32 per subtree, and a complete contribution per further
   * attempt.
   */
  get bufferedBytes(): number {
    return this.#subtrees.bufferedBytes + this.#sums.bufferedBytes;
  }

  /** Returns the sums over the batch, in the order of the tree; `lossSum` is NaN if training has diverged. */
  totals(): { samples: number; lossSum: number; correct: number } {
    const { samples } = this.#subtrees;
    if (this.#diverged) return { samples, lossSum: Number.NaN, correct: 0 };
    const all = this.#subtrees.completeAttempts().map(({ contribution }) => contribution);
    return {
      samples,
      lossSum: treeSum(
        all.map(({ lossSum }) => lossSum),
        this.#subtrees.slices,
      ),
      correct: all.reduce((total, { correct }) => total + correct, 0),
    };
  }

  /** Returns the message that commits the complete step. */
  commit(): Outgoing {
    const attempts = this.#subtrees.completeAttempts().map(({ number: attempt }) => attempt);
    return { to: "all", message: { type: "commit", step: this.task.step, attempts, ...this.totals() } };
  }

  #ignore(worker: WorkerId): Outgoing[] {
    this.#ignored.add(worker);
    return [];
  }

  #refuseNonFinite(subtree: SubtreeAttempts, attempt: Attempt): Outgoing[] {
    subtree.nonFiniteWorkers.add(attempt.worker);
    return this.#refuse(subtree, attempt, "ERR_NOT_FINITE", "Expected finite numbers, got NaN or infinity.");
  }

  #refuse(subtree: SubtreeAttempts, attempt: Attempt, code: ErrorCode, reason: string): Outgoing[] {
    subtree.excludedWorkers.add(attempt.worker);
    subtree.pendingReason = REFUSED;
    const label = { step: this.task.step, subtree: subtree.id, attempt: attempt.number };
    const out: Outgoing[] = [{ to: attempt.worker, message: { type: "rejected", ...label, code, reason } }];
    this.#forwarding.withdraw(subtree, attempt, out);
    return out;
  }
}
