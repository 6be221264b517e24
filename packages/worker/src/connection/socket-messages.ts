/** What the computing thread and the thread of the socket say to each other. */
import type { ErrorCode } from "@lockstep/errors";
import type { CoordinatorMessage, Wire, WorkerMessage } from "@lockstep/gradient-sync";
import type { JoinOptions } from "@lockstep/transport";
import type { PiecePlace } from "./connection.ts";

/** What the socket thread is started with. */
export interface SocketData {
  url: string;
  join: JoinOptions;
  /** Messages that the computing thread has not received, in bytes; with more the socket is not read. */
  maxBufferedBytes: number;
}

/** What the computing thread tells the socket thread. */
export type ToSocket =
  | { type: "send"; message: WorkerMessage }
  /** A piece of a contribution, to be encoded there. */
  | { type: "send-piece"; piece: PiecePlace; values: Float32Array<ArrayBuffer>; wire: Wire }
  | { type: "heartbeat"; everyMs: number }
  /** Messages of so many bytes were received. */
  | { type: "received"; bytes: number }
  | { type: "close" };

/** What the socket thread tells the computing thread. */
export type FromSocket =
  | { type: "open" }
  | { type: "message"; message: CoordinatorMessage; bytes: number }
  | { type: "link"; bytesPerSecond: number }
  | { type: "closed"; code: ErrorCode; reason: string };
