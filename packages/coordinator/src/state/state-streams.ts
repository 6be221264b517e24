/** Streams of weights and momentum from workers, which arrive chunk by chunk while training continues. */
import { LockstepError } from "@lockstep/errors";
import { CHUNK_BYTES, elementsOf, type MessageOf, STATE_WINDOW } from "@lockstep/gradient-sync";
import type { Member } from "../membership/members.ts";

/** A tensor of the state dict. */
export type StateSpec = { name: string; shape: number[] };
type Chunk = MessageOf<"state-chunk">;
/** A chunk of a state: consecutive values of one tensor's weights or momentum. */
export type StatePiece = Pick<Chunk, "tensor" | "kind" | "offset" | "data">;

/** Number of elements of each tensor that have arrived; the chunks of a tensor arrive in order. */
type Received = Record<Chunk["kind"], number[]>;

/** Time for which the chunks in flight may delay a contribution that is queued behind them. */
const WINDOW_SECONDS = 0.3;

interface Stream {
  source: Member;
  /** Number of chunks that may be in flight. */
  window: number;
  /** Number of updates that the state must have. */
  step: number;
  sizes: readonly number[];
  received: Received;
  /** Number of chunks that have arrived and are not acknowledged yet. */
  unacknowledged: number;
  /** Time at which the last chunk was acknowledged, or the stream was requested. */
  lastMs: number;
  onPiece: (piece: StatePiece) => Promise<void>;
  settle: (complete: boolean) => void;
  fail: (error: unknown) => void;
}

/** Requests states from members, receives them, and enforces their flow control. */
export class StateStreams {
  readonly #streams = new Map<number, Stream>();
  readonly #nowMs: () => number;
  #requests = 0;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /**
   * Requests the current state of a worker. Each chunk is acknowledged when `onPiece` resolves.
   *
   * @param step number of updates that the state must have
   * @returns whether the whole state arrived before the worker disconnected; false at once for one that has departed
   *   already
   * @throws the error that `onPiece` rejects with
   */
  request(
    source: Member,
    { stateDict, step }: { stateDict: readonly StateSpec[]; step: number },
    onPiece: Stream["onPiece"],
  ): Promise<boolean> {
    if (source.hasDeparted) return Promise.resolve(false); // `cancel`, which would end the stream, was called before
    const request = this.#requests++;
    const sizes = stateDict.map(({ shape }) => elementsOf(shape));
    const none = () => sizes.map(() => 0);
    return new Promise((resolve, reject) => {
      const settle = (complete: boolean) => {
        this.#streams.delete(request);
        resolve(complete);
      };
      const fail = (error: unknown) => {
        this.#streams.delete(request);
        reject(error);
      };
      const received = { weight: none(), velocity: none() };
      const lastMs = this.#nowMs();
      const window = windowOf(source.session.ready.linkBytesPerSecond);
      this.#streams.set(request, {
        source,
        window,
        step,
        sizes,
        received,
        unacknowledged: 0,
        lastMs,
        onPiece,
        settle,
        fail,
      });
      source.send({ type: "send-state", request, window });
    });
  }

  /**
   * Handles a chunk.
   *
   * @throws LockstepError ERR_CHUNK if it was not requested, is out of order, or exceeds the window
   */
  onChunk(member: Member, { request, tensor, kind, offset, data }: Chunk): void {
    const stream = this.#of(member, request);
    const { sizes, received } = stream;
    const elements = data.length / 4;
    const isInBounds = elements > 0 && Number.isInteger(elements) && offset + elements <= (sizes[tensor] ?? 0);
    if (!isInBounds || offset !== received[kind][tensor]) {
      throw new LockstepError(
        "ERR_CHUNK",
        `Expected the next chunk of tensor ${tensor}, got ${data.length} bytes at element ${offset}.`,
      );
    }
    if (stream.unacknowledged >= stream.window) {
      throw new LockstepError(
        "ERR_CHUNK",
        `Expected at most ${stream.window} unacknowledged chunks of a state, got one more.`,
      );
    }
    received[kind][tensor] = offset + elements;
    stream.unacknowledged++;
    stream
      .onPiece({ tensor, kind, offset, data })
      .then(() => {
        stream.unacknowledged--;
        stream.lastMs = this.#nowMs();
        member.send({ type: "state-ack", request });
      })
      .catch(stream.fail);
  }

  /**
   * Handles the end of a state.
   *
   * @throws LockstepError ERR_CHUNK if it was not requested, is incomplete or of another step
   */
  onEnd(member: Member, { request, step }: MessageOf<"state-end">): void {
    const { sizes, received, step: expected, settle } = this.#of(member, request);
    const complete = sizes.every((size, i) => received.weight[i] === size && received.velocity[i] === size);
    if (!complete || step !== expected) {
      const got = `${complete ? "a" : "an incomplete"} state after ${step}`;
      throw new LockstepError("ERR_CHUNK", `Expected the complete state after ${expected} updates, got ${got}.`);
    }
    settle(true);
  }

  /** Ends the streams of a member that has departed. */
  cancel(member: Member): void {
    for (const { source, settle } of this.#streams.values()) if (source === member) settle(false);
  }

  /** Returns whether a state of this member is being received. */
  isSource(member: Member): boolean {
    return [...this.#streams.values()].some(({ source }) => source === member);
  }

  /** Returns the time since which a member owes the next chunk of a state; undefined if it owes none. */
  waitingSinceMs(member: Member): number | undefined {
    const waiting = [...this.#streams.values()].filter(
      ({ source, unacknowledged }) => source === member && unacknowledged === 0,
    );
    return waiting.length === 0 ? undefined : Math.min(...waiting.map(({ lastMs }) => lastMs));
  }

  #of(member: Member, request: number): Stream {
    const stream = this.#streams.get(request);
    if (stream?.source === member) return stream;
    throw new LockstepError("ERR_CHUNK", `The coordinator has not requested state ${request} from ${member.name}.`);
  }
}

/**
 * Returns the number of chunks that keep a link busy while their sender computes, without delaying other messages much.
 */
function windowOf(linkBytesPerSecond: number): number {
  return Math.max(1, Math.min(STATE_WINDOW, Math.round((WINDOW_SECONDS * linkBytesPerSecond) / CHUNK_BYTES)));
}
