/** A connection for tests: it receives given messages and records what is sent. */
import type { CoordinatorMessage, WorkerMessage } from "@lockstep/gradient-sync";
import type { Connection, PiecePlace } from "../connection/connection.ts";

/** Receives its messages and then closes, unless `staysOpen` is set. */
export class ScriptedConnection implements Connection {
  readonly linkBytesPerSecond = Promise.resolve(1e9);
  /** True, so that gradients are always precomputed. */
  readonly isIdle = true;
  readonly sent: WorkerMessage[] = [];
  /** The pieces that were sent, with their values and wire format. */
  readonly pieces: (PiecePlace & { values: number[]; wire: string })[] = [];
  readonly #incoming: CoordinatorMessage[];
  /** True to stay open after the last message. */
  staysOpen = false;

  /** @param incoming the messages of the coordinator */
  constructor(...incoming: CoordinatorMessage[]) {
    this.#incoming = incoming;
  }

  send(message: WorkerMessage): void {
    this.sent.push(message);
  }

  sendPiece(piece: PiecePlace, values: Float32Array<ArrayBuffer>, wire: string): void {
    this.pieces.push({ ...piece, values: [...values], wire });
    structuredClone(values, { transfer: [values.buffer] }); // the sender loses the array, as with a real thread
  }

  /** Adds a message of the coordinator. */
  push(message: CoordinatorMessage): void {
    this.#incoming.push(message);
  }

  async receive(): Promise<CoordinatorMessage> {
    const message = this.#incoming.shift();
    if (message === undefined && this.staysOpen) return new Promise(() => {});
    if (message === undefined) throw new Error("The connection is closed.");
    return message;
  }

  heartbeat(): void {}

  async fetchRecords(): Promise<Uint8Array> {
    throw new Error("This connection has no records.");
  }

  async close(): Promise<void> {}
}
