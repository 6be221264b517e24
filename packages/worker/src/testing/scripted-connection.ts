/** For tests: a connection that says what it is given, and keeps what is sent. */
import type { CoordinatorMessage, WorkerMessage } from "@lockstep/gradient-sync";
import type { Connection, PiecePlace } from "../connection/connection.ts";

/** Says what it was given, and then closes, unless `staysOpen`. */
export class ScriptedConnection implements Connection {
  readonly linkBytesPerSecond = Promise.resolve(1e9);
  /** There is always time to compute ahead. */
  readonly isIdle = true;
  readonly sent: WorkerMessage[] = [];
  /** Pieces of contributions, among them the numbers, and how they are to travel. */
  readonly pieces: (PiecePlace & { values: number[]; wire: string })[] = [];
  readonly #incoming: CoordinatorMessage[];
  /** Whether it stays open when all has been said. */
  staysOpen = false;

  /** @param incoming what the coordinator says, and then it closes the connection */
  constructor(...incoming: CoordinatorMessage[]) {
    this.#incoming = incoming;
  }

  send(message: WorkerMessage): void {
    this.sent.push(message);
  }

  sendPiece(piece: PiecePlace, values: Float32Array<ArrayBuffer>, wire: string): void {
    this.pieces.push({ ...piece, values: [...values], wire });
    structuredClone(values, { transfer: [values.buffer] }); // it is taken over
  }

  /** The coordinator says something more. */
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
    throw new Error("There are no records here.");
  }

  async close(): Promise<void> {}
}
