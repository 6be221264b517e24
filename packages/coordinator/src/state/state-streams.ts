/** The weights and momentum of workers, on their way here piece by piece while training goes on. */
import { LockstepError } from "@lockstep/errors";
import { CHUNK_BYTES, elementsOf, type MessageOf, STATE_WINDOW } from "@lockstep/gradient-sync";
import type { Member } from "../membership/members.ts";

/** A tensor of the state dict. */
export type StateSpec = { name: string; shape: number[] };
type Chunk = MessageOf<"state-chunk">;
/** A piece of a state: numbers of one tensor's weights or momentum. */
export type StatePiece = Pick<Chunk, "tensor" | "kind" | "offset" | "data">;

/** Number of elements of each tensor that have come: the pieces of a tensor come in order. */
type Received = Record<Chunk["kind"], number[]>;

/** Pieces of a state that are under way may hold up a contribution behind them for so long. */
const WINDOW_SECONDS = 0.3;

interface Stream {
  source: Member;
  /** Number of pieces that may be under way. */
  window: number;
  /** Number of updates that the state must have. */
  step: number;
  sizes: readonly number[];
  received: Received;
  /** Number of pieces that have come and are not yet acknowledged. */
  underWay: number;
  /** When the last piece came, or room for it. */
  lastMs: number;
  onPiece: (piece: StatePiece) => Promise<void>;
  settle: (complete: boolean) => void;
  fail: (error: unknown) => void;
}

/** Receives the states that were requested of members, and keeps them in bounds. */
export class StateStreams {
  readonly #streams = new Map<number, Stream>();
  readonly #nowMs: () => number;
  #requests = 0;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /**
   * Has a worker send its state as it is now. Further pieces are asked for as `onPiece` resolves.
   *
   * @param step number of updates that it was told of
   * @returns whether all of it came before the worker was lost; false at once for a worker that is gone already
   * @throws what `onPiece` rejects with
   */
  request(
    source: Member,
    { stateDict, step }: { stateDict: readonly StateSpec[]; step: number },
    onPiece: Stream["onPiece"],
  ): Promise<boolean> {
    if (source.hasDeparted) return Promise.resolve(false); // its loss, which would end the stream, was told before
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
      this.#streams.set(request, { source, window, step, sizes, received, underWay: 0, lastMs, onPiece, settle, fail });
      source.send({ type: "send-state", request, window });
    });
  }

  /** @throws LockstepError ERR_CHUNK for a piece that was not asked for, is not the tensor's next, or is one too many */
  onChunk(member: Member, { request, tensor, kind, offset, data }: Chunk): void {
    const stream = this.#of(member, request);
    const { sizes, received } = stream;
    const elements = data.length / 4;
    const isInBounds = elements > 0 && Number.isInteger(elements) && offset + elements <= (sizes[tensor] ?? 0);
    if (!isInBounds || offset !== received[kind][tensor]) {
      throw new LockstepError(
        "ERR_CHUNK",
        `Expected the next piece of tensor ${tensor}, got ${data.length} bytes at ${offset}.`,
      );
    }
    if (stream.underWay >= stream.window) {
      throw new LockstepError(
        "ERR_CHUNK",
        `More than ${stream.window} pieces of a state came without being asked for.`,
      );
    }
    received[kind][tensor] = offset + elements;
    stream.underWay++;
    stream
      .onPiece({ tensor, kind, offset, data })
      .then(() => {
        stream.underWay--;
        stream.lastMs = this.#nowMs();
        member.send({ type: "state-ack", request });
      })
      .catch(stream.fail);
  }

  /** @throws LockstepError ERR_CHUNK if it was not asked for, is not whole, or not of the step that it was asked for at */
  onEnd(member: Member, { request, step }: MessageOf<"state-end">): void {
    const { sizes, received, step: expected, settle } = this.#of(member, request);
    const complete = sizes.every((size, i) => received.weight[i] === size && received.velocity[i] === size);
    if (!complete || step !== expected) {
      const got = `${complete ? "a" : "part of a"} state after ${step}`;
      throw new LockstepError("ERR_CHUNK", `Expected the whole state after ${expected} updates, got ${got}.`);
    }
    settle(true);
  }

  /** Ends the streams of a member that is gone. */
  cancel(member: Member): void {
    for (const { source, settle } of this.#streams.values()) if (source === member) settle(false);
  }

  /** Tells whether a state of this member is under way. */
  isSource(member: Member): boolean {
    return [...this.#streams.values()].some(({ source }) => source === member);
  }

  /** Returns since when a member owes the next piece of a state, if it does, and its reader does not hold it up. */
  waitingSinceMs(member: Member): number | undefined {
    const waiting = [...this.#streams.values()].filter(({ source, underWay }) => source === member && underWay === 0);
    return waiting.length === 0 ? undefined : Math.min(...waiting.map(({ lastMs }) => lastMs));
  }

  #of(member: Member, request: number): Stream {
    const stream = this.#streams.get(request);
    if (stream?.source === member) return stream;
    throw new LockstepError(
      "ERR_CHUNK",
      `The coordinator has not asked ${member.name} for its state under number ${request}.`,
    );
  }
}

/** Returns how many pieces keep a link busy while their sender computes, and hold up little else on it. */
function windowOf(linkBytesPerSecond: number): number {
  return Math.max(1, Math.min(STATE_WINDOW, Math.round((WINDOW_SECONDS * linkBytesPerSecond) / CHUNK_BYTES)));
}
