/** A worker's connection to the coordinator. */
import type { RecordSupply } from "@lockstep/dataset";
import type { CoordinatorMessage, Piece, Step, Wire, WorkerMessage } from "@lockstep/gradient-sync";

/** The place of a piece of a contribution: step, subtree, attempt, part and offset. */
export type PiecePlace = Omit<Piece, "values"> & { step: Step };

/** A connection to the coordinator. It stays open until one end closes it. */
export interface Connection {
  send(message: WorkerMessage): void;
  /** Sends a piece of a contribution. The connection takes ownership of the array. */
  sendPiece(piece: PiecePlace, values: Float32Array<ArrayBuffer>, wire: Wire): void;
  /** Download bandwidth from the coordinator, measured after `welcome`. */
  readonly linkBytesPerSecond: Promise<number>;
  /** True if the connection is open and no message waits to be received, so there is time for other work. */
  readonly isIdle: boolean;
  /**
   * Resolves with the coordinator's next message. Rejects once the connection is closed and every message was received.
   */
  receive(): Promise<CoordinatorMessage>;
  /** Sends a heartbeat every `everyMs` milliseconds from now on. */
  heartbeat(everyMs: number): void;
  /** Requests records of the data set from the coordinator. */
  fetchRecords: RecordSupply["fetch"];
  close(): Promise<void>;
}
