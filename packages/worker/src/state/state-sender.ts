/** Sends this worker's state in the background: some pieces whenever the computing thread waits for something else. */
import { EventEmitter, once } from "node:events";
import { setImmediate as nextTurn } from "node:timers/promises";
import { LockstepError } from "@lockstep/errors";
import { CHUNK_BYTES, type MessageOf, STATE_WINDOW } from "@lockstep/gradient-sync";
import type { StateSnapshot } from "@lockstep/training";
import type { Connection } from "../connection/connection.ts";

const PIECE_ELEMENTS = CHUNK_BYTES / 4;
/** Pieces sent in one turn of the event loop. At one per turn, AlexNet's 300 took more than 30 steps. */
const PIECES_PER_TURN = 16;
/** States sent at once: for a checkpoint, a late join, a repaired replica, and one whose receiver disconnected. */
const MAX_STATES = 4;

type Snapshot = Pick<StateSnapshot, "pieces" | "dispose">;

/** The send window of one state: the pieces that may be in flight. */
class SendWindow {
  readonly #acknowledgements = new EventEmitter();
  #credits: number;

  constructor(credits: number) {
    this.#credits = credits;
  }

  /** Waits until another piece may be sent. @returns false if `signal` aborts first */
  async reserve(signal: AbortSignal): Promise<boolean> {
    while (this.#credits === 0 && !signal.aborted) {
      await once(this.#acknowledgements, "acknowledged", { signal }).catch(() => {});
    }
    if (signal.aborted) return false;
    this.#credits--;
    return true;
  }

  acknowledge(): void {
    this.#credits++;
    this.#acknowledgements.emit("acknowledged");
  }
}

/** Sends the states that the coordinator requests on one connection. */
export class StateSender {
  readonly #connection: Connection;
  /** The window of each state, by request. */
  readonly #windows = new Map<number, SendWindow>();
  readonly #sending = new Set<Promise<void>>();
  readonly #closing = new AbortController();

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** @throws LockstepError ERR_MESSAGE_ORDER if too many states are under way, or this request is */
  assertCapacity(request: number): void {
    if (this.#windows.size < MAX_STATES && !this.#windows.has(request)) return;
    const text = `Expected at most ${MAX_STATES} different requests for the state at once, got request ${request}.`;
    throw new LockstepError("ERR_MESSAGE_ORDER", text);
  }

  /**
   * Sends a complete snapshot, and disposes of it.
   *
   * @param step number of updates in the state
   */
  send(message: MessageOf<"send-state">, step: number, snapshot: Snapshot): Promise<void> {
    const sending = this.#send(message, step, snapshot);
    this.#sending.add(sending);
    return sending.finally(() => this.#sending.delete(sending));
  }

  async #send({ request, window }: MessageOf<"send-state">, step: number, snapshot: Snapshot): Promise<void> {
    const sendWindow = new SendWindow(Math.min(window, STATE_WINDOW));
    this.#windows.set(request, sendWindow);
    let pieces = 0;
    try {
      for await (const { tensor, kind, offset, values } of snapshot.pieces(PIECE_ELEMENTS)) {
        if (!(await sendWindow.reserve(this.#closing.signal))) return;
        const data = new Uint8Array(values.slice().buffer);
        this.#connection.send({ type: "state-chunk", request, tensor, kind, offset, data });
        if (++pieces % PIECES_PER_TURN === 0) await nextTurn(); // lets waiting messages be handled
      }
      this.#connection.send({ type: "state-end", request, step });
    } finally {
      this.#windows.delete(request);
      snapshot.dispose();
    }
  }

  /** Notes that the coordinator has received a piece: another one may be sent. */
  acknowledge(request: number): void {
    this.#windows.get(request)?.acknowledge(); // undefined once everything was sent
  }

  /** Aborts the transfers under way, and resolves when their snapshots are released. */
  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.allSettled(this.#sending);
  }
}
