/** The workers' connections: a door that takes them in, and one session for each. */
import { crc32 } from "node:zlib";
import type { RecordSource } from "@lockstep/dataset";
import { type Door, type DoorSettings, openDoor } from "@lockstep/door";
import { LockstepError } from "@lockstep/errors";
import {
  type CoordinatorMessage,
  decodeFromWorker,
  encode,
  MAX_MESSAGE_BYTES,
  PROTOCOL_VERSION,
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
  bytesUp: number;
  bytesDown: number;
  send(bytes: Buffer): void;
}

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
    onSocket: (socket) => serve(socket, { workerId: workersSeen++, ...session }),
  });
}

type ServeOptions = Omit<SessionServerOptions, "door"> & { workerId: number };

/** States of a session: greeting (until hello), preparing (until ready), in (until the socket closes). */
function serve(socket: WebSocket, { workerId, heartbeatMs, welcome, records, events }: ServeOptions): void {
  let hello: Hello | undefined;
  let session: Session | undefined;
  let lastSeenMs = performance.now();

  const sendMessage = (message: CoordinatorMessage) => socket.send(encode(message));
  const refuse = (code: string, reason: string) => {
    sendMessage({ type: "refused", code, reason });
    socket.close(4000, code);
  };
  const silence = setInterval(() => {
    if (performance.now() - lastSeenMs > 3 * heartbeatMs) socket.terminate();
  }, heartbeatMs);

  socket.on("message", (data: Buffer) => {
    lastSeenMs = performance.now();
    if (session !== undefined) session.bytesUp += data.length;
    try {
      take(decodeFromWorker(data));
    } catch (error) {
      if (!(error instanceof LockstepError)) throw error;
      refuse(error.code, error.message);
    }
  });
  socket.on("error", () => socket.terminate());
  socket.on("close", () => {
    clearInterval(silence);
    if (session !== undefined) events.lost(session, "its connection closed");
  });

  function take(message: WorkerMessage): void {
    if (message.type === "heartbeat") return;
    if (message.type === "failed") refuse(message.code, message.reason);
    else if (message.type === "want-records" && hello !== undefined) void supply(message);
    else if (hello === undefined) greet(message);
    else if (session === undefined) join(message, hello);
    else events.message(session, message);
  }

  function greet(message: WorkerMessage): void {
    if (message.type !== "hello") {
      refuse("ERR_HANDSHAKE", `Expected hello first, got ${message.type}.`);
    } else if (message.protocol !== PROTOCOL_VERSION) {
      const remedy = "use the same version of Lockstep on all machines";
      refuse("ERR_PROTOCOL", `Expected protocol ${PROTOCOL_VERSION}, got ${message.protocol}; ${remedy}.`);
    } else {
      hello = message;
      const greetBack = (run: Welcome) => sendMessage({ type: "welcome", workerId, heartbeatMs, ...run });
      welcome.then(greetBack, () => {}); // without it the coordinator ends, and says why
    }
  }

  async function supply({ request, part, indexes }: Extract<WorkerMessage, { type: "want-records" }>): Promise<void> {
    try {
      const source = await records;
      if (source === undefined) throw new LockstepError("ERR_RECORDS", "The coordinator has no records to give.");
      const data = source.read(part, Uint32Array.from(indexes));
      sendMessage({ type: "records", request, data, crc32: crc32(data) });
    } catch (error) {
      if (!(error instanceof LockstepError)) throw error;
      refuse(error.code, error.message);
    }
  }

  function join(message: WorkerMessage, greeting: Hello): void {
    if (message.type !== "ready") {
      refuse("ERR_HANDSHAKE", `Expected ready next, got ${message.type}.`);
      return;
    }
    const joining: Session = { workerId, hello: greeting, ready: message, bytesUp: 0, bytesDown: 0, send };
    const reason = events.joined(joining);
    if (reason === undefined) session = joining;
    else refuse("ERR_FINGERPRINT", reason);
  }

  function send(bytes: Buffer): void {
    if (session !== undefined) session.bytesDown += bytes.length;
    socket.send(bytes);
  }
}
