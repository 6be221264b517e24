/** The workers' connections: a door that takes them in, and one session for each. */
import type { RecordSource } from "@lockstep/dataset";
import { type ErrorCode, LockstepError } from "@lockstep/errors";
import {
  type CoordinatorMessage,
  decodeFromWorker,
  encode,
  LINK_PROBES,
  MAX_MESSAGE_BYTES,
  PROTOCOL_VERSION,
  SILENT_BEATS,
  type WorkerMessage,
} from "@lockstep/gradient-sync";
import { type ListenOptions, openServer, type Peer, type TransportServer } from "@lockstep/transport";
import type { WebSocket } from "ws";
import type { RefusedWorker } from "../membership/common-refusals.ts";
import type { Hello, ReadySession } from "./ready-session.ts";
import { RecordServer } from "./record-server.ts";
import { SendQueue } from "./send-queue.ts";

type Welcome = Omit<Extract<CoordinatorMessage, { type: "welcome" }>, "type" | "workerId" | "heartbeatMs">;

/** What a worker says about steps. */
const OF_STEPS: WorkerMessage["type"][] = ["gradient-chunk", "contribution"];
/** A worker that has not joined yet may be silent for so long: it is starting its engine. */
const HANDSHAKE_SILENT_MS = 10_000;
/** From the WebSocket to `ready`: the engine may have to be built first, and the model be large. */
const JOIN_MS = 600_000;
/** Of each message that shows how fast the way to a worker is. */
const PROBE_BYTES = 2 ** 18;

/** What happens to sessions. */
export interface SessionEvents {
  /** A worker said hello and built the model. @throws LockstepError why it cannot be taken, if it cannot */
  joined(session: ReadySession): void;
  message(session: ReadySession, message: WorkerMessage): void;
  lost(session: ReadySession, reason: string): void;
  /** A worker gives up for this reason, before it has joined or afterwards; then it is `lost`. @default nothing */
  failed?(worker: RefusedWorker & { session: ReadySession | undefined }, error: LockstepError): void;
}

/** Where sessions are served, their limits, and what each worker is told. */
export interface SessionServerOptions {
  door: ListenOptions;
  heartbeatMs: number;
  /** A worker that takes nothing of what it is sent for so long is let go. */
  stallMs: number;
  /** What a worker is told of the run. */
  welcome: Promise<Welcome>;
  /** For workers without the data set's files. */
  records: Promise<RecordSource | undefined>;
  events: SessionEvents;
  /** A monotonic clock. */
  nowMs: () => number;
}

/** @throws LockstepError as `openServer` does, if the port is taken or not ours */
export function listen({ door, ...session }: SessionServerOptions): Promise<TransportServer> {
  let workersSeen = 0;
  return openServer({
    ...door,
    maxPayload: MAX_MESSAGE_BYTES,
    onSocket: (socket, peer) => serve(socket, { workerId: workersSeen++, ...peer, ...session }),
  });
}

type ServeOptions = Omit<SessionServerOptions, "door"> & Peer & { workerId: number };

/**
 * States of a session: greeting (until hello), preparing (until ready), in, ended (nothing that comes counts); gone as
 * soon as it wants to leave before it is in.
 */
function serve(socket: WebSocket, options: ServeOptions): void {
  const { workerId, address, hear, heartbeatMs, stallMs, welcome, records, events, nowMs } = options;
  let hello: Hello | undefined;
  let welcomedMs: number | undefined;
  let clockAheadMs: number | undefined;
  let session: ReadySession | undefined;
  let gone = false;
  let ended = false;
  const connectedMs = nowMs();
  let heardMs = connectedMs;
  const queue = new SendQueue(socket, nowMs);
  const drained = () => queue.drained();
  const refuse = ({ code, message }: LockstepError) => close(code, message);
  const recordServer = new RecordServer({ records, send: sendMessage, drained, refuse });
  const watching = setInterval(watch, heartbeatMs);

  // Not whole messages only: on a slow link one may take longer than a worker may be silent.
  hear(() => {
    heardMs = nowMs();
    if (session !== undefined) session.heardMs = heardMs;
  });
  socket.on("message", (data: Buffer) => {
    if (ended) return;
    try {
      const message = decodeFromWorker(data);
      if (session !== undefined && OF_STEPS.includes(message.type)) session.bytesUp += data.length;
      take(message);
    } catch (error) {
      if (!(error instanceof LockstepError)) throw error;
      refuse(error);
    }
  });
  socket.on("error", ({ message }) => end(message)); // of the network, or ws closes it with a code of its own
  socket.on("close", () => end("its connection closed"));

  function take(message: WorkerMessage): void {
    if (message.type === "heartbeat" || gone) return;
    if (message.type === "failed") giveUp(message);
    else if (message.type === "leaving" && session === undefined) letLeave();
    else if (message.type === "want-records" && hello !== undefined) recordServer.serve(message);
    else if (hello === undefined) greet(message);
    else if (message.type === "clock" && welcomedMs !== undefined && clockAheadMs === undefined) {
      clockAheadMs = message.nowMs - (welcomedMs + nowMs()) / 2; // it looked half-way between
    } else if (session === undefined) join(message, hello);
    else events.message(session, message);
  }

  function giveUp({ code, reason }: Extract<WorkerMessage, { type: "failed" }>): void {
    const { name } = hello ?? { name: address }; // the engine starts before hello is said, or fails to
    events.failed?.({ name, address, connectedMs, heardMs, session }, new LockstepError(code, reason));
    close(code, reason);
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
    welcomedMs = nowMs();
    sendMessage({ type: "welcome", workerId, heartbeatMs, ...run });
    const data = new Uint8Array(PROBE_BYTES);
    for (let probe = 0; probe < LINK_PROBES; probe++) sendMessage({ type: "link-probe", data });
  }

  function join(message: WorkerMessage, greeting: Hello): void {
    if (message.type !== "ready") {
      close("ERR_HANDSHAKE", `Expected ready next, got ${message.type}.`);
      return;
    }
    const joining: ReadySession = {
      ...{
        workerId,
        hello: greeting,
        ready: message,
        address,
        connectedMs,
        heardMs,
        clockAheadMs,
        bytesUp: 0,
        bytesDown: 0,
        send,
        drained,
        close,
      },
      get waitingBytes() {
        return queue.waitingBytes;
      },
    };
    events.joined(joining);
    session = joining;
  }

  /** Shows that this end lives, and looks whether the other one does. Of those who are in, the team hears of silence. */
  function watch(): void {
    const silentMs = nowMs() - heardMs;
    if (queue.unreadMs > stallMs) {
      close(
        "ERR_SLOW_READER",
        `This worker read nothing of what the coordinator sent for ${Math.round(queue.unreadMs / 1000)} s.`,
      );
    } else if (session === undefined && silentMs > Math.max(HANDSHAKE_SILENT_MS, SILENT_BEATS * heartbeatMs)) {
      close("ERR_SILENT", `The coordinator received nothing from this worker for ${Math.round(silentMs / 1000)} s.`);
    } else if (session === undefined && nowMs() - connectedMs > JOIN_MS) {
      close(
        "ERR_HANDSHAKE",
        `Expected this worker to have its engine and its model ready within ${JOIN_MS / 1000} s; start it again.`,
      );
    } else sendMessage({ type: "alive" });
  }

  function sendMessage(message: CoordinatorMessage): void {
    send(encode(message));
  }

  function send(bytes: Buffer): void {
    if (!ended) queue.send(bytes);
  }

  /** Says why, and does not wait for a worker that does not take the goodbye. */
  function close(code: ErrorCode, reason: string): void {
    sendMessage({ type: "refused", code, reason: reason.slice(0, 1000) });
    socket.close(4000, code);
    end(reason);
  }

  function end(reason: string): void {
    if (ended) return;
    ended = true;
    clearInterval(watching);
    const leaving = setTimeout(() => socket.terminate(), SILENT_BEATS * heartbeatMs).unref();
    socket.once("close", () => clearTimeout(leaving));
    queue.release();
    recordServer.close();
    if (session !== undefined) events.lost(session, reason);
  }
}
