/**
 * One step as the coordinator sees it: chunks come in from the workers, sums and factors go out, and when every slice
 * has contributed the step can be committed. A pure state machine: it knows neither sockets nor clocks.
 *
 * Each try to compute a slice is an attempt. The first attempt at a slice that sends anything is the one that flows
 * on to the others; what further ones send meanwhile is held back, and takes its place if the first fails or is slower.
 */
import { type ErrorCode, LockstepError } from "@lockstep/errors";
import { chunkLength, chunkOffsets, type Layout, partElements } from "../layout/layout.ts";
import { allFinite, decodeInto, encodeFloats } from "../layout/wire.ts";
import { type SliceId, toSliceId, type WorkerId } from "../protocol/ids.ts";
import { MAX_LOSS_SUM } from "../protocol/limits.ts";
import type { CoordinatorMessage, WorkerMessage } from "../protocol/messages.ts";
import { BufferPool } from "./buffer-pool.ts";

type AnyMessage = WorkerMessage | CoordinatorMessage;
type Message<Type extends AnyMessage["type"]> = Extract<AnyMessage, { type: Type }>;
type Chunk = Message<"gradient-chunk">;
type Values = Float32Array<ArrayBuffer>;

/** The update that a round is for: number `step`, on samples [start, end) of the epoch's order. */
export type RoundTask = Pick<Message<"assign">, "epoch" | "step" | "start" | "end" | "learningRate">;

/** A message for one worker, for all, or for all but the one that it came from. */
export interface Outgoing {
  to: WorkerId | "all";
  except?: WorkerId;
  message: CoordinatorMessage;
}

/**
 * Chunks of a worker in one step that may be ignored: of attempts that were withdrawn, or a repetition of what was not
 * asked for again. An honest worker sends some when slices of its are withdrawn, and a slow one those of a step before.
 */
export const MAX_IGNORED_CHUNKS = 2 ** 16;

/** What the messages of sums have for a slice, which they are not of. */
const FIRST_SLICE = toSliceId(0);

const NOBODY_FREE = "no worker was free earlier";
const WORKER_LOST = "its worker was lost";
const REFUSED = "what its worker sent for it was refused";

interface Attempt {
  attempt: number;
  worker: WorkerId;
  /** Offsets that have come, of each part. */
  received: Set<number>[];
  /** Dense offsets whose sums are made again, and that have not come again. */
  askedAgain: Set<number>;
  /** Chunks that wait for this attempt to become the one that flows: as they came, or as numbers if they are to be added. */
  buffered: (Chunk | { offset: number; values: Values })[];
  contribution?: Message<"contribution">;
}

export interface SliceState {
  slice: SliceId;
  start: number;
  end: number;
  /** Live ones, by number. */
  attempts: Map<number, Attempt>;
  attemptsMade: number;
  /** The attempt whose chunks go on to the others. */
  primary?: number | undefined;
  /** Why no attempt is live, when none is; for people. */
  openBecause: string;
  /** Workers whose contributions were refused. */
  excludedWorkers: Set<WorkerId>;
  /** Workers whose numbers were not finite. */
  nonFiniteWorkers: Set<WorkerId>;
}

export class StepRound {
  readonly task: RoundTask;
  readonly slices: readonly SliceState[];
  readonly #layout: Layout;
  readonly #packing: boolean;
  readonly #pool: BufferPool;
  /** Dense chunks that wait for those of other slices: by offset, then by slice. */
  readonly #waiting = new Map<number, (Values | undefined)[]>();
  /** Offsets whose sums have gone out. */
  readonly #summed = new Set<number>();
  /** Workers that can send nothing again. */
  readonly #gone = new Set<WorkerId>();
  #diverged = false;
  /** Chunks that were taken, of all attempts; and how many of each worker were not. */
  #taken = 0;
  readonly #ignored = new Map<WorkerId, number>();

  /**
   * @param packing whether sums with many zeros go out packed. @default yes
   * @param pool buffers that chunks are decoded into: dense ones to keep, factors only to check. @default a new pool
   */
  constructor(
    task: RoundTask,
    slices: readonly { slice: SliceId; start: number; end: number }[],
    layout: Layout,
    packing = true,
    pool = new BufferPool(),
  ) {
    this.task = task;
    this.#layout = layout;
    this.#packing = packing;
    this.#pool = pool;
    this.slices = slices.map(({ slice, start, end }) => ({
      ...{
        slice,
        start,
        end,
        attempts: new Map(),
        attemptsMade: 0,
        openBecause: NOBODY_FREE,
        excludedWorkers: new Set(),
        nonFiniteWorkers: new Set(),
      },
    }));
  }

  /** Begins an attempt at each of the slices. */
  assign(worker: WorkerId, slices: readonly SliceId[]): Outgoing {
    const own = slices.map((index) => {
      const slice = this.slices[index]!;
      const attempt = slice.attemptsMade++;
      const received = this.#layout.rowElements.map(() => new Set<number>());
      slice.attempts.set(attempt, { attempt, worker, received, askedAgain: new Set(), buffered: [] });
      return { slice: index, attempt, start: slice.start, end: slice.end };
    });
    return { to: worker, message: { ...this.announcement, slices: own } };
  }

  /** The step as those hear of it who compute no slice of it. */
  get announcement(): Message<"assign"> {
    const { epoch, step, start, end, learningRate } = this.task;
    const sliceSamples = this.slices.map(samplesOf);
    return { type: "assign", epoch, step, start, end, learningRate, slices: [], sliceSamples };
  }

  /** @throws LockstepError ERR_ATTEMPT for a piece that is not this worker's to send, ERR_CHUNK for far too many */
  onChunk(worker: WorkerId, chunk: Chunk): Outgoing[] {
    const found = this.#attemptOf(worker, chunk);
    if (found === undefined) return this.#ignore(worker);
    const { slice, attempt } = found;
    const { part, offset } = chunk;
    const elements = chunkLength(this.#layout, partElements(this.#layout, part, samplesOf(slice)), offset);
    if (elements === undefined)
      return this.#refuse(slice, attempt, "ERR_CHUNK", `No chunk of part ${part} begins at ${offset}.`);
    const again = part === 0 && attempt.askedAgain.delete(offset);
    if (attempt.received[part]!.has(offset) && !again) return this.#ignore(worker);
    const values = this.#decode(chunk, elements);
    if (typeof values === "string") return this.#refuse(slice, attempt, "ERR_CHUNK", values);
    if (!allFinite(values)) return this.#refuseNotFinite(slice, attempt);
    attempt.received[part]!.add(offset);
    this.#taken++;
    slice.primary ??= attempt.attempt;
    const piece = part === 0 ? { offset, values } : chunk;
    if (slice.primary === attempt.attempt) return this.#flow(slice, attempt, piece);
    attempt.buffered.push(piece);
    return [];
  }

  /** @throws LockstepError ERR_ATTEMPT for a contribution that is not this worker's to send */
  onContribution(worker: WorkerId, message: Message<"contribution">): Outgoing[] {
    const found = this.#attemptOf(worker, message);
    if (found === undefined) return [];
    const { slice, attempt } = found;
    if (attempt.contribution !== undefined) return [];
    if (!(Math.abs(message.lossSum) <= MAX_LOSS_SUM)) return this.#refuseNotFinite(slice, attempt);
    const samples = samplesOf(slice);
    if (!this.#isWhole(attempt, samples) || message.samples !== samples || message.correct > samples) {
      return this.#refuse(
        slice,
        attempt,
        "ERR_CONTRIBUTION",
        "Expected all pieces, and sums over all samples, of the slice.",
      );
    }
    attempt.contribution = message;
    const out: Outgoing[] = [];
    for (const other of [...slice.attempts.values()]) if (other !== attempt) this.#withdraw(slice, other, out);
    if (slice.primary !== attempt.attempt) this.#promote(slice, attempt, out);
    return out;
  }

  /** A worker is gone: what it has not finished, or was to send again, is withdrawn. A complete contribution stands. */
  lose(worker: WorkerId): Outgoing[] {
    this.#gone.add(worker);
    const out: Outgoing[] = [];
    for (const slice of this.slices) {
      for (const attempt of [...slice.attempts.values()]) {
        const stands = attempt.contribution !== undefined && attempt.askedAgain.size === 0;
        if (attempt.worker !== worker || stands) continue;
        slice.openBecause = WORKER_LOST;
        this.#withdraw(slice, attempt, out);
      }
    }
    return out;
  }

  /** Whether a worker was asked for pieces again, and has not sent them. */
  owes(worker: WorkerId): boolean {
    const attempts = this.slices.flatMap((slice) => [...slice.attempts.values()]);
    return attempts.some((attempt) => attempt.worker === worker && attempt.askedAgain.size > 0);
  }

  /** Rows [start, end) of the batch's epoch that a worker computes, for which it has not contributed yet. */
  openSlicesOf(worker: WorkerId): { start: number; end: number }[] {
    const open = this.slices.filter(({ attempts }) =>
      [...attempts.values()].some((attempt) => attempt.worker === worker && attempt.contribution === undefined),
    );
    return open.map(({ start, end }) => ({ start, end }));
  }

  /** Workers whose numbers for a slice were not finite, though it is complete with those of another; each is told once. */
  drainNonFiniteWorkers(index: SliceId): WorkerId[] {
    const slice = this.slices[index];
    if (slice === undefined || doneAttempt(slice) === undefined) return [];
    const liars = [...slice.nonFiniteWorkers];
    slice.nonFiniteWorkers.clear();
    return liars;
  }

  /** Chunks that were taken so far: one that is a repetition, or no longer counts, is none. */
  get chunksTaken(): number {
    return this.#taken;
  }

  /** All who are here have found a slice not finite: then it is the training, and not a worker. */
  giveUp(): void {
    this.#diverged = true;
  }

  /** Whether every slice has contributed, and all sums have gone out. */
  get complete(): boolean {
    if (this.#diverged) return true;
    return this.slices.every((slice) => doneAttempt(slice) !== undefined) && this.#summed.size === this.#chunksOf(0, 0);
  }

  /** Bytes that wait here: at most a dense part in float32 a slice, and a whole contribution for each further attempt. */
  get bytesHeld(): number {
    const buffered = this.slices.flatMap(({ attempts }) => [...attempts.values()].flatMap(({ buffered }) => buffered));
    const arrays = buffered.map((piece) => ("data" in piece ? piece.data : piece.values));
    return [...this.#waiting.values(), arrays].flat().reduce((bytes, array) => bytes + (array?.byteLength ?? 0), 0);
  }

  /** Sums over the batch, in slice order. Not finite if the training has come apart. */
  totals(): { samples: number; lossSum: number; correct: number } {
    const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
    const samples = sum(this.slices.map(samplesOf));
    if (this.#diverged) return { samples, lossSum: Number.NaN, correct: 0 };
    const all = this.slices.map((slice) => doneAttempt(slice)!.contribution!);
    return {
      samples,
      lossSum: sum(all.map(({ lossSum }) => lossSum)),
      correct: sum(all.map(({ correct }) => correct)),
    };
  }

  commit(): Outgoing {
    const attempts = this.slices.map((slice) => doneAttempt(slice)!.attempt);
    return { to: "all", message: { type: "commit", step: this.task.step, attempts, ...this.totals() } };
  }

  /** The attempt that a message of this worker is about; undefined for one that no longer counts. */
  #attemptOf(worker: WorkerId, { step, slice: index, attempt: number }: Pick<Chunk, "step" | "slice" | "attempt">) {
    if (step < this.task.step) return undefined; // from a worker that was too late
    const slice = this.slices[index];
    if (step === this.task.step && slice !== undefined && number < slice.attemptsMade) {
      const attempt = slice.attempts.get(number);
      if (attempt === undefined) return undefined; // withdrawn
      if (attempt.worker === worker) return { slice, attempt };
    }
    throw new LockstepError(
      "ERR_ATTEMPT",
      `Attempt ${number} at slice ${index} of step ${step} is not this worker's; step ${this.task.step} is under way.`,
    );
  }

  #decode(chunk: Chunk, elements: number): Values | string {
    // Factors are only looked at, and go on as they came.
    const values = chunk.part === 0 ? this.#pool.acquire(elements) : this.#pool.scratch(elements);
    try {
      decodeInto(values, chunk, this.#layout.wire);
      return values;
    } catch (error) {
      if (error instanceof LockstepError) return error.message;
      throw error;
    }
  }

  #ignore(worker: WorkerId): Outgoing[] {
    const ignored = (this.#ignored.get(worker) ?? 0) + 1;
    this.#ignored.set(worker, ignored);
    if (ignored <= MAX_IGNORED_CHUNKS) return [];
    throw new LockstepError(
      "ERR_CHUNK",
      `More than ${MAX_IGNORED_CHUNKS} chunks in a step were repetitions, or of attempts that no longer count.`,
    );
  }

  #isWhole({ received }: Attempt, samples: number): boolean {
    return received.every((offsets, part) => offsets.size === this.#chunksOf(part, samples));
  }

  #flow(slice: SliceState, { worker }: Attempt, piece: Attempt["buffered"][number]): Outgoing[] {
    if ("data" in piece) return [{ to: "all", except: worker, message: { ...piece, type: "update-chunk" } }];
    const { offset, values } = piece;
    const chunks = this.#waiting.get(offset) ?? new Array<Values | undefined>(this.slices.length).fill(undefined);
    this.#waiting.set(offset, chunks);
    chunks[slice.slice] = values;
    if (chunks.includes(undefined)) return [];
    this.#waiting.delete(offset);
    this.#summed.add(offset);
    const [total, ...others] = chunks as [Values, ...Values[]]; // ((a + b) + c) + …, in slice order
    for (const other of others) {
      addTo(total, other);
      this.#pool.release(other);
    }
    const sum = encodeFloats(total, this.#layout.wire, this.#packing);
    if (sum.data.buffer !== total.buffer) this.#pool.release(total); // else the message is a view of it
    const place = { step: this.task.step, slice: FIRST_SLICE, attempt: 0, part: 0, offset };
    return [{ to: "all", message: { type: "update-chunk", ...place, ...sum } }];
  }

  /**
   * Takes an attempt out. If it was the one that flowed, its factors are dropped by label, and the sums that held its
   * dense part are made again: those who have sent theirs send it again, and a slice whose worker is gone, and can't,
   * is withdrawn with it.
   */
  #withdraw(slice: SliceState, attempt: Attempt, out: Outgoing[]): void {
    slice.attempts.delete(attempt.attempt);
    if (slice.primary !== attempt.attempt) return;
    slice.primary = undefined;
    for (const chunks of this.#waiting.values()) chunks[slice.slice] = undefined;
    const again = [...this.#summed];
    this.#summed.clear();
    const label = { step: this.task.step, slice: slice.slice, attempt: attempt.attempt };
    out.push({ to: "all", message: { type: "withdrawn", ...label, again } });
    if (again.length > 0) this.#askAgain(again, out);
    const next = [...slice.attempts.values()].find(({ buffered }) => buffered.length > 0);
    if (next !== undefined) this.#promote(slice, next, out);
  }

  /** The sums at these offsets are to be made again, of what those who flowed into them send once more. */
  #askAgain(offsets: readonly number[], out: Outgoing[]): void {
    for (const slice of this.slices) {
      const attempt = slice.primary === undefined ? undefined : slice.attempts.get(slice.primary);
      if (attempt === undefined) continue;
      if (this.#gone.has(attempt.worker)) {
        slice.openBecause = WORKER_LOST;
        this.#withdraw(slice, attempt, out);
      } else for (const offset of offsets) attempt.askedAgain.add(offset);
    }
  }

  #promote(slice: SliceState, attempt: Attempt, out: Outgoing[]): void {
    slice.primary = attempt.attempt;
    for (const piece of attempt.buffered.splice(0)) out.push(...this.#flow(slice, attempt, piece));
  }

  #refuseNotFinite(slice: SliceState, attempt: Attempt): Outgoing[] {
    slice.nonFiniteWorkers.add(attempt.worker);
    return this.#refuse(slice, attempt, "ERR_NOT_FINITE", "Expected finite numbers, got NaN or infinity.");
  }

  #refuse(slice: SliceState, attempt: Attempt, code: ErrorCode, reason: string): Outgoing[] {
    slice.excludedWorkers.add(attempt.worker);
    slice.openBecause = REFUSED;
    const label = { step: this.task.step, slice: slice.slice, attempt: attempt.attempt };
    const out: Outgoing[] = [{ to: attempt.worker, message: { type: "rejected", ...label, code, reason } }];
    this.#withdraw(slice, attempt, out);
    return out;
  }

  #chunksOf(part: number, samples: number): number {
    return chunkOffsets(this.#layout, partElements(this.#layout, part, samples)).length;
  }
}

/** The attempt at a slice that is complete. */
export function doneAttempt({ attempts }: SliceState): Attempt | undefined {
  return [...attempts.values()].find(({ contribution }) => contribution !== undefined);
}

export const samplesOf = ({ start, end }: { start: number; end: number }): number => end - start;

/** Rounds to float32 after each addition, so the order of additions shows. Four at a time: V8 unrolls no loops. */
function addTo(total: Values, other: Values): void {
  const whole = total.length - (total.length % 4);
  for (let i = 0; i < whole; i += 4) {
    total[i] = total[i]! + other[i]!;
    total[i + 1] = total[i + 1]! + other[i + 1]!;
    total[i + 2] = total[i + 2]! + other[i + 2]!;
    total[i + 3] = total[i + 3]! + other[i + 3]!;
  }
  for (let i = whole; i < total.length; i++) total[i] = total[i]! + other[i]!;
}
