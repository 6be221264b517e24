/** Sends this worker's state beside its work: some pieces whenever the computing thread waits for something else. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { LockstepError } from "@lockstep/errors";
import { CHUNK_BYTES, type CoordinatorMessage, STATE_WINDOW } from "@lockstep/gradient-sync";
import type { StateSnapshot } from "@lockstep/training";
import type { Connection } from "../connection/connection.ts";

const PIECE_ELEMENTS = CHUNK_BYTES / 4;
/** At most. A step may have few turns: with one piece in each, the 300 of AlexNet were not through after 30 steps. */
const PIECES_A_TURN = 16;
/** A checkpoint, a newcomer's and a mended replica's, and one whose reader was lost: each holds the tensors of its step. */
const MAX_STATES = 4;

type Message = Extract<CoordinatorMessage, { type: "send-state" }>;
type Snapshot = Pick<StateSnapshot, "pieces" | "dispose">;

export class StateSender {
  readonly #connection: Connection;
  /** Pieces that may still be sent, and who waits until there may be more; by request. */
  readonly #requests = new Map<number, { room: number; wake: () => void }>();
  readonly #sending = new Set<Promise<void>>();
  #closed = false;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** @throws LockstepError ERR_MESSAGE_ORDER if one more state would be too many, or this one is on its way already */
  assertRoom(request: number): void {
    if (this.#requests.size < MAX_STATES && !this.#requests.has(request)) return;
    const text = `Expected at most ${MAX_STATES} states to be asked for at once, each once; got request ${request}.`;
    throw new LockstepError("ERR_MESSAGE_ORDER", text);
  }

  /**
   * Sends all of a snapshot, and disposes of it.
   *
   * @param step updates that the state has
   */
  send(message: Message, step: number, snapshot: Snapshot): Promise<void> {
    const sending = this.#send(message, step, snapshot);
    this.#sending.add(sending);
    return sending.finally(() => this.#sending.delete(sending));
  }

  async #send({ request, window }: Message, step: number, snapshot: Snapshot): Promise<void> {
    const asked = { room: Math.min(window, STATE_WINDOW), wake: () => {} };
    this.#requests.set(request, asked);
    let pieces = 0;
    try {
      for await (const { tensor, kind, offset, values } of snapshot.pieces(PIECE_ELEMENTS)) {
        while (asked.room === 0 && !this.#closed) await new Promise<void>((resolve) => (asked.wake = resolve));
        if (this.#closed) return;
        asked.room--;
        const data = new Uint8Array(values.slice().buffer);
        this.#connection.send({ type: "state-chunk", request, tensor, kind, offset, data });
        if (++pieces % PIECES_A_TURN === 0) await nextTurn(); // messages that have come are taken in between
      }
      this.#connection.send({ type: "state-end", request, step });
    } finally {
      this.#requests.delete(request);
      snapshot.dispose();
    }
  }

  /** The coordinator has room for another piece. */
  acknowledged(request: number): void {
    const asked = this.#requests.get(request);
    if (asked === undefined) return; // all of it was sent
    asked.room++;
    asked.wake();
  }

  /** Ends what is being sent, and resolves when all of it was let go. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const { wake } of this.#requests.values()) wake();
    await Promise.allSettled(this.#sending);
  }
}
