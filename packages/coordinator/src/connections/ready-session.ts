/** A worker that has built the model of the run, as admission and the team see it. */
import type { ErrorCode } from "@lockstep/errors";
import type { MessageOf, WorkerId } from "@lockstep/gradient-sync";
import type { Connection } from "./connection.ts";

/** The first message of a worker: who it is, and what it computes on. */
export type Hello = MessageOf<"hello">;

/** The message that ends a worker's preparation: its model and data, and what it has measured. */
export type Ready = MessageOf<"ready">;

/** The session of a worker that has said `ready`. */
export interface ReadySession {
  workerId: WorkerId;
  hello: Hello;
  ready: Ready;
  /** IP address of the worker. */
  address: string;
  /** When its connection began, by the coordinator's clock. */
  connectedMs: number;
  /** When anything last came from it, by the coordinator's clock. */
  readonly heardMs: number;
  /** How far its clock is ahead of the coordinator's; undefined if it has not told its time. */
  readonly clockAheadMs?: number | undefined;
  /** Bytes of steps that came from it, and that were sent to it; states and records are not counted. */
  bytesUp: number;
  bytesDown: number;
  /** Bytes that were sent and that the network has not taken yet. */
  readonly waitingBytes: number;
  /** Sends an encoded message; does nothing once the session has ended. */
  send(bytes: Buffer): void;
  /** Resolves when little waits, or nothing can any more: whoever sends much awaits it between pieces. */
  drained(): Promise<void>;
  /** Ends the session, and tells the worker the reason. */
  close(code: ErrorCode, reason: string): void;
}

/** Joins a connection with what its worker has said. */
export function readySession(
  connection: Connection,
  received: Pick<ReadySession, "workerId" | "hello" | "ready" | "clockAheadMs">,
): ReadySession {
  const { address, connectedMs } = connection;
  return {
    ...received,
    address,
    connectedMs,
    get heardMs() {
      return connection.heardMs;
    },
    bytesUp: 0,
    bytesDown: 0,
    get waitingBytes() {
      return connection.waitingBytes;
    },
    send: (bytes) => connection.send(bytes),
    drained: () => connection.drained(),
    close: (code, reason) => connection.close(code, reason),
  };
}
