/** A worker's connection to the coordinator. */
import type { RecordSupply } from "@lockstep/dataset";
import type { CoordinatorMessage, Piece, Step, Wire, WorkerMessage } from "@lockstep/gradient-sync";

/** Where a piece of a contribution belongs. */
export type PiecePlace = Omit<Piece, "values"> & { step: Step };

/** A connection to the coordinator, which stays open until one end closes it. */
export interface Connection {
  send(message: WorkerMessage): void;
  /** Sends a piece of a contribution. The array is taken over. */
  sendPiece(piece: PiecePlace, values: Float32Array<ArrayBuffer>, wire: Wire): void;
  /** Speed of the way from the coordinator to here, as measured after `welcome`. */
  readonly linkBytesPerSecond: Promise<number>;
  /** Whether every message that has come was received, and the connection is open: there is time for something else. */
  readonly isIdle: boolean;
  /**
   * Resolves with the next message of the coordinator. Rejects when the connection is closed and all that came is
   * received.
   */
  receive(): Promise<CoordinatorMessage>;
  heartbeat(everyMs: number): void;
  /** Asks the coordinator for records of the data set. */
  fetchRecords: RecordSupply["fetch"];
  close(): Promise<void>;
}
