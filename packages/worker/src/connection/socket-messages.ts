/** The messages between the computing thread and the socket thread. */
import type { ErrorCode } from "@lockstep/errors";
import type { CoordinatorMessage, Wire, WorkerMessage } from "@lockstep/gradient-sync";
import type { JoinOptions } from "@lockstep/transport";
import type { PiecePlace } from "./connection.ts";

/** Input of the socket thread. */
export interface SocketData {
  url: string;
  join: JoinOptions;
  /** Bytes of messages that may wait for the computing thread; beyond them the socket is paused. */
  maxBufferedBytes: number;
}

/** A message from the computing thread to the socket thread. */
export type ToSocket =
  | { type: "send"; message: WorkerMessage }
  /** A piece of a contribution, which the socket thread encodes. */
  | { type: "send-piece"; piece: PiecePlace; values: Float32Array<ArrayBuffer>; wire: Wire }
  | { type: "heartbeat"; everyMs: number }
  /** The computing thread has received `bytes` of messages. */
  | { type: "received"; bytes: number }
  | { type: "close" };

/** A message from the socket thread to the computing thread. */
export type FromSocket =
  | { type: "open" }
  | { type: "message"; message: CoordinatorMessage; bytes: number }
  | { type: "link"; bytesPerSecond: number }
  | { type: "closed"; code: ErrorCode; reason: string };
