/** A worker that has built the model of the run, as admission and the team see it. */
import type { ErrorCode } from "@lockstep/errors";
import type { MessageOf, WorkerId } from "@lockstep/gradient-sync";
import type { Connection } from "./connection.ts";

/** A worker's first message: its name and device. */
export type Hello = MessageOf<"hello">;

/** The message that ends a worker's preparation: its model, its data, and its measured speeds. */
export type Ready = MessageOf<"ready">;

/** The facts of the run in a `welcome`; the session adds those of the worker. */
export type Welcome = Omit<MessageOf<"welcome">, "type" | "workerId" | "heartbeatMs">;

/** The session of a worker that has sent `ready`. */
export interface ReadySession {
  workerId: WorkerId;
  hello: Hello;
  ready: Ready;
  /** IP address of the worker. */
  address: string;
  /** Time at which its connection opened, by the coordinator's clock. */
  connectedMs: number;
  /** Time at which bytes last arrived from it, by the coordinator's clock. */
  readonly heardMs: number;
  /** Milliseconds by which its clock is ahead of the coordinator's; undefined if it has not sent its time. */
  readonly clockAheadMs?: number | undefined;
  /** Bytes received from it and sent to it in steps; states and records are not counted. */
  bytesUp: number;
  bytesDown: number;
  /** Bytes that were sent and that the network has not accepted yet. */
  readonly waitingBytes: number;
  /** Sends an encoded message; does nothing once the session has ended. */
  send(bytes: Buffer): void;
  /** Resolves when few bytes are queued, or the session has ended. Callers that send a lot await it between chunks. */
  drained(): Promise<void>;
  /** Ends the session and sends the worker the reason. */
  close(code: ErrorCode, reason: string): void;
}

/** Returns the session of a connection whose worker is ready. */
export function readySession(
  connection: Connection,
  facts: Pick<ReadySession, "workerId" | "hello" | "ready" | "clockAheadMs">,
): ReadySession {
  const { address, connectedMs } = connection;
  return {
    ...facts,
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
