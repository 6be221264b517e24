/**
 * The worker's connection to its coordinator. The socket lives on another thread, so heartbeats go on, and chunks are
 * sent and taken in, while this thread computes inside native code.
 */
import { crc32 } from "node:zlib";
import type { RecordSupply } from "@lockstep/dataset";
import { type ErrorCode, LockstepError } from "@lockstep/errors";
import { startThread } from "@lockstep/files";
import type { CoordinatorMessage, Piece, Wire, WorkerMessage } from "@lockstep/gradient-sync";
import { checkJoin, type JoinOptions } from "@lockstep/transport";

/** Where a piece of a contribution belongs. */
export type PiecePlace = Omit<Piece, "values"> & { step: number };

/** To the socket thread. */
export type ToSocket =
  | { type: "send"; message: WorkerMessage }
  /** A piece of a contribution, to be encoded there. */
  | { type: "send-piece"; piece: PiecePlace; values: Float32Array<ArrayBuffer>; wire: Wire }
  | { type: "heartbeat"; everyMs: number }
  /** Messages of so many bytes were taken in. */
  | { type: "taken"; bytes: number }
  | { type: "close" };

/** From the socket thread. */
export type FromSocket =
  | { type: "open" }
  | { type: "message"; message: CoordinatorMessage; bytes: number }
  | { type: "link"; bytesPerSecond: number }
  | { type: "closed"; code: ErrorCode; reason: string };

export interface Connection {
  send(message: WorkerMessage): void;
  /** Sends a piece of a contribution. The array is taken over. */
  sendPiece(piece: PiecePlace, values: Float32Array<ArrayBuffer>, wire: Wire): void;
  /** Of the way from the coordinator to here, as measured after `welcome`. */
  readonly linkBytesPerSecond: Promise<number>;
  /** Whether nothing has come that is not taken: there is time for something else. */
  readonly isIdle: boolean;
  /** The next message of the coordinator. Rejects when the connection is closed and all that came is taken. */
  receive(): Promise<CoordinatorMessage>;
  heartbeat(everyMs: number): void;
  /** Asks the coordinator for records of the data set. */
  fetchRecords: RecordSupply["fetch"];
  close(): Promise<void>;
}

/** What has come and is not yet taken in, in bytes; with more the socket is not read, and the coordinator has to wait. */
const MAX_UNTAKEN_BYTES = 256 * 2 ** 20;

/** What the socket thread is given. */
export interface SocketData {
  url: string;
  join: JoinOptions;
  maxUntakenBytes: number;
}

/** @throws LockstepError ERR_CONNECT if nobody answers at `url`, or why `openSocket` did not get in there */
export async function connect(
  url: string,
  join: JoinOptions,
  maxUntakenBytes: number = MAX_UNTAKEN_BYTES,
): Promise<Connection> {
  checkJoin(url, join); // here, where what it throws arrives as it is
  const data: SocketData = { url, join, maxUntakenBytes };
  const thread = startThread("socket-thread", import.meta.url, data);
  const arrived: { message: CoordinatorMessage; bytes: number }[] = [];
  const asked = new Map<number, { resolve(records: Uint8Array): void; reject(error: Error): void }>();
  let requests = 0;
  let closed: Error | undefined;
  let isOpen = false;
  let link: { tell(bytesPerSecond: number): void; fail(error: Error): void } | undefined;
  const linkBytesPerSecond = new Promise<number>((tell, fail) => (link = { tell, fail }));
  linkBytesPerSecond.catch(() => {}); // whoever waits for it hears of the error
  const changes: (() => void)[] = [];
  const change = () => new Promise<void>((resolve) => changes.push(resolve));
  /** Something has come, or nothing will: all who wait look again. */
  const wake = () => {
    for (const resolve of changes.splice(0)) resolve();
  };
  const close = (error: Error) => {
    closed ??= error;
    for (const { reject } of asked.values()) reject(closed);
    asked.clear();
    link?.fail(closed);
    wake();
  };
  thread.on("message", (from: FromSocket) => {
    if (from.type === "closed") return close(new LockstepError(from.code, from.reason));
    if (from.type === "link") return link?.tell(from.bytesPerSecond);
    if (from.type === "open") isOpen = true;
    else if (from.message.type === "records") {
      deliver(from.message);
      post({ type: "taken", bytes: from.bytes });
      return;
    } else arrived.push(from);
    wake();
  });
  thread.on("error", close);
  thread.on("exit", () => close(new LockstepError("ERR_DISCONNECTED", "The thread of the connection has ended.")));

  const deliver = ({ request, data, crc32: expected }: Extract<CoordinatorMessage, { type: "records" }>) => {
    const answer = asked.get(request);
    asked.delete(request);
    if (crc32(data) === expected) answer?.resolve(data);
    else answer?.reject(new LockstepError("ERR_RECORDS", "Records from the coordinator were damaged on the way."));
  };

  const post = (to: ToSocket, transfer: ArrayBuffer[] = []) => thread.postMessage(to, transfer);
  while (!isOpen && closed === undefined) await change();
  if (closed !== undefined) {
    await thread.terminate();
    throw closed;
  }
  return {
    send: (message) => post({ type: "send", message }, "data" in message ? [message.data.buffer as ArrayBuffer] : []),
    sendPiece: (piece, values, wire) => post({ type: "send-piece", piece, values, wire }, [values.buffer]),
    linkBytesPerSecond,
    heartbeat: (everyMs) => post({ type: "heartbeat", everyMs }),
    fetchRecords(part, indexes) {
      if (closed !== undefined) return Promise.reject(closed);
      const request = requests++;
      post({ type: "send", message: { type: "want-records", request, part, indexes: [...indexes] } });
      return new Promise((resolve, reject) => asked.set(request, { resolve, reject }));
    },
    get isIdle() {
      return arrived.length === 0 && closed === undefined;
    },
    async receive() {
      while (arrived.length === 0 && closed === undefined) await change();
      const next = arrived.shift();
      if (next === undefined) throw closed!;
      post({ type: "taken", bytes: next.bytes });
      return next.message;
    },
    async close() {
      post({ type: "close" });
      while (closed === undefined) await change();
      await thread.terminate();
    },
  };
}
