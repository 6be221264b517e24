/** The workers' connections: a door that takes them in, and one session for each. */
import { crc32 } from "node:zlib";
import type { RecordSource } from "@lockstep/dataset";
import { type Door, type DoorSettings, openDoor, type Peer } from "@lockstep/door";
import { LockstepError } from "@lockstep/errors";
import {
  type CoordinatorMessage,
  decodeFromWorker,
  encode,
  MAX_MESSAGE_BYTES,
  PROTOCOL_VERSION,
  SILENT_BEATS,
  type WorkerMessage,
} from "@lockstep/gradient-sync";
import type { WebSocket } from "ws";

type Hello = Extract<WorkerMessage, { type: "hello" }>;
type Ready = Extract<WorkerMessage, { type: "ready" }>;
type Welcome = Omit<Extract<CoordinatorMessage, { type: "welcome" }>, "type" | "workerId" | "heartbeatMs">;

/** A worker that has built the model of the run. */
export interface Session {
  workerId: number;
  hello: Hello;
  ready: Ready;
  /** When anything last came from it, by `performance.now`. */
  heardMs: number;
  bytesUp: number;
  bytesDown: number;
  /** Bytes that were sent and are not yet on their way. */
  readonly waitingBytes: number;
  send(bytes: Buffer): void;
  /** Resolves when little waits, or nothing can any more: whoever sends much awaits it between pieces. */
  drained(): Promise<void>;
  /** Ends the connection, with the reason. */
  close(code: string, reason: string): void;
}

/** A worker that has not joined yet may be silent for so long: it is starting its engine. */
const HANDSHAKE_SILENT_MS = 10_000;
/** Of each of the two messages that show how fast the way to a worker is. */
const PROBE_BYTES = 2 ** 18;
/** `drained` waits until less than this waits. */
const DRAINED_BYTES = 4 * 2 ** 20;

/** What happens to sessions. */
export interface SessionEvents {
  /** A worker said hello and built the model. @returns the reason why it cannot be taken, if it cannot */
  joined(session: Session): string | undefined;
  message(session: Session, message: WorkerMessage): void;
  lost(session: Session, reason: string): void;
}

export interface SessionServerOptions {
  door: DoorSettings;
  heartbeatMs: number;
  /** What a worker is told of the run. */
  welcome: Promise<Welcome>;
  /** For workers without the data set's files. */
  records: Promise<RecordSource | undefined>;
  events: SessionEvents;
}

/** @throws LockstepError as `openDoor` does, if the port is taken or not ours */
export function listen({ door, ...session }: SessionServerOptions): Promise<Door> {
  let workersSeen = 0;
  return openDoor({
    ...door,
    maxPayload: MAX_MESSAGE_BYTES,
    onSocket: (socket, { hear }) => serve(socket, { workerId: workersSeen++, hear, ...session }),
  });
}

type ServeOptions = Omit<SessionServerOptions, "door"> & { workerId: number; hear: Peer["hear"] };

/**
 * States of a session: greeting (until hello), preparing (until ready), in (until the socket closes); gone as soon as
 * it wants to leave before it is in.
 */
function serve(socket: WebSocket, { workerId, hear, heartbeatMs, welcome, records, events }: ServeOptions): void {
  let hello: Hello | undefined;
  let session: Session | undefined;
  let gone = false;
  let heardMs = performance.now();
  let waitingBytes = 0;
  let whenDrained: (() => void)[] = [];

  const handshakeSilentMs = Math.max(HANDSHAKE_SILENT_MS, SILENT_BEATS * heartbeatMs);
  const silence = setInterval(() => {
    if (session === undefined && performance.now() - heardMs > handshakeSilentMs) socket.terminate();
    sendMessage({ type: "alive" });
  }, heartbeatMs);

  // Not whole messages only: on a slow link one may take longer than a worker may be silent.
  hear(() => {
    heardMs = performance.now();
    if (session !== undefined) session.heardMs = heardMs;
  });
  socket.on("message", (data: Buffer) => {
    if (session !== undefined) session.bytesUp += data.length;
    try {
      take(decodeFromWorker(data));
    } catch (error) {
      if (!(error instanceof LockstepError)) throw error;
      close(error.code, error.message);
    }
  });
  socket.on("error", () => socket.terminate());
  socket.on("close", () => {
    clearInterval(silence);
    letGo();
    if (session !== undefined) events.lost(session, "its connection closed");
  });

  function take(message: WorkerMessage): void {
    if (message.type === "heartbeat" || gone) return;
    if (message.type === "failed") close(message.code, message.reason);
    else if (message.type === "leaving" && session === undefined) letLeave();
    else if (message.type === "want-records" && hello !== undefined) void supply(message);
    else if (hello === undefined) greet(message);
    else if (session === undefined) join(message, hello);
    else events.message(session, message);
  }

  function letLeave(): void {
    gone = true;
    sendMessage({ type: "finished" });
  }

  function greet(message: WorkerMessage): void {
    if (message.type !== "hello") {
      close("ERR_HANDSHAKE", `Expected hello first, got ${message.type}.`);
    } else if (message.protocol !== PROTOCOL_VERSION) {
      const remedy = "use the same version of Lockstep on all machines";
      close("ERR_PROTOCOL", `Expected protocol ${PROTOCOL_VERSION}, got ${message.protocol}; ${remedy}.`);
    } else {
      hello = message;
      welcome.then(greetBack, () => {}); // without it the coordinator ends, and says why
    }
  }

  function greetBack(run: Welcome): void {
    sendMessage({ type: "welcome", workerId, heartbeatMs, ...run });
    const data = new Uint8Array(PROBE_BYTES);
    for (let probe = 0; probe < 2; probe++) sendMessage({ type: "link-probe", data });
  }

  async function supply({ request, part, indexes }: Extract<WorkerMessage, { type: "want-records" }>): Promise<void> {
    try {
      const source = await records;
      if (source === undefined) throw new LockstepError("ERR_RECORDS", "The coordinator has no records to give.");
      const data = source.read(part, Uint32Array.from(indexes));
      sendMessage({ type: "records", request, data, crc32: crc32(data) });
    } catch (error) {
      if (!(error instanceof LockstepError)) throw error;
      close(error.code, error.message);
    }
  }

  function join(message: WorkerMessage, greeting: Hello): void {
    if (message.type !== "ready") {
      close("ERR_HANDSHAKE", `Expected ready next, got ${message.type}.`);
      return;
    }
    const joining: Session = {
      ...{ workerId, hello: greeting, ready: message, heardMs, bytesUp: 0, bytesDown: 0, send, drained, close },
      get waitingBytes() {
        return waitingBytes;
      },
    };
    const reason = events.joined(joining);
    if (reason === undefined) session = joining;
    else close("ERR_FINGERPRINT", reason);
  }

  function sendMessage(message: CoordinatorMessage): void {
    send(encode(message));
  }

  function send(bytes: Buffer): void {
    if (socket.readyState !== socket.OPEN) return;
    if (session !== undefined) session.bytesDown += bytes.length;
    waitingBytes += bytes.length;
    socket.send(bytes, () => {
      waitingBytes -= bytes.length;
      if (waitingBytes < DRAINED_BYTES) letGo();
    });
  }

  function drained(): Promise<void> {
    if (waitingBytes < DRAINED_BYTES || socket.readyState !== socket.OPEN) return Promise.resolve();
    return new Promise((resolve) => whenDrained.push(resolve));
  }

  function letGo(): void {
    for (const resolve of whenDrained) resolve();
    whenDrained = [];
  }

  /** A worker that does not take the goodbye is not waited for. */
  function close(code: string, reason: string): void {
    sendMessage({ type: "refused", code, reason: reason.slice(0, 1000) });
    socket.close(4000, code);
    setTimeout(() => socket.terminate(), SILENT_BEATS * heartbeatMs).unref();
  }
}
