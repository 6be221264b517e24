/** What runs on the socket thread: encodes and sends, receives and decodes, and sends heartbeats. */
import { parentPort, workerData } from "node:worker_threads";
import { LockstepError } from "@lockstep/errors";
import {
  type CoordinatorMessage,
  decodeFromCoordinator,
  encode,
  encodeFloats,
  LINK_PROBES,
  MAX_MESSAGE_BYTES,
  packingPays,
} from "@lockstep/gradient-sync";
import { explainFailedJoin, openSocket } from "@lockstep/transport";
import type { FromSocket, SocketData, ToSocket } from "./connection.ts";
import { IoClock } from "./io-clock.ts";
import { machineMs } from "./machine-clock.ts";

/** The coordinator may be busy for longer than a worker, whose socket has a thread of its own. */
const COORDINATOR_SILENT_BEATS = 10;

/** Until the coordinator says how often it wants to hear the heart beat: starting an engine may take long. */
const HEARTBEAT_MS = 1000;

const { url, join, maxUntakenBytes } = workerData as SocketData;
const socket = openSocket(url, { ...join, maxPayload: MAX_MESSAGE_BYTES });
const clock = new IoClock(() => performance.now());
let heartbeat: NodeJS.Timeout | undefined;
let heardMs = performance.now();
/** When probes of the link came. */
const probedMs: number[] = [];
let packing = true;
let fault: LockstepError | undefined;
let opened = false;
/** Of messages that the computing thread was given, and has not taken in. */
let untakenBytes = 0;

socket.on("open", () => {
  opened = true;
  beatEvery(HEARTBEAT_MS);
  say({ type: "open" });
});
// Not whole messages only: on a slow link one may take longer than the coordinator may be silent.
socket.on("upgrade", ({ socket: link }) => {
  const hear = () => {
    heardMs = performance.now();
  };
  socket.on("open", () => link.on("data", hear)); // not before: else what came with the upgrade would be heard here only
});
socket.on("message", (data: Buffer) => {
  if (socket.readyState !== socket.OPEN) return; // this end has closed it
  try {
    take(
      clock.receive(() => decodeFromCoordinator(data)),
      data.length,
    );
  } catch (error) {
    if (!(error instanceof LockstepError)) throw error;
    fault = error;
    socket.close(4000, error.code);
  }
});
socket.on("error", (error) => {
  fault ??= opened ? new LockstepError("ERR_CONNECT", error.message) : explainFailedJoin(error, url);
});
socket.on("close", () => {
  clearInterval(heartbeat);
  const { code, message } = fault ?? {
    code: "ERR_DISCONNECTED" as const,
    message: "The coordinator closed the connection.",
  };
  say({ type: "closed", code, reason: message });
});

parentPort!.on("message", (to: ToSocket) => {
  switch (to.type) {
    case "send":
      send(to.message);
      return;
    case "send-piece": {
      const { values, wire, piece } = to;
      send({ ...piece, type: "gradient-chunk", ...clock.encode(() => encodeFloats(values, wire, packing)) });
      return;
    }
    case "heartbeat":
      beatEvery(to.everyMs);
      return;
    case "taken":
      untakenBytes -= to.bytes;
      if (socket.isPaused && untakenBytes < maxUntakenBytes / 2) goOnReading();
      return;
    case "close":
      socket.close(1000);
      socket.resume(); // else the other end's goodbye is not read
  }
});

function take(message: CoordinatorMessage, bytes: number): void {
  if (message.type === "alive") return;
  if (message.type === "link-probe") {
    measureLink(message.data.length);
    return;
  }
  if (message.type === "welcome") send({ type: "clock", nowMs: machineMs() });
  untakenBytes += bytes;
  if (untakenBytes > maxUntakenBytes) socket.pause();
  if (!("data" in message)) {
    say({ type: "message", message, bytes });
    return;
  }
  // A message that fills its buffer has it for itself. Others share one with what ws has yet to read.
  const data = message.data.buffer.byteLength === bytes ? message.data : message.data.slice();
  say({ type: "message", message: { ...message, data }, bytes }, [data.buffer]);
}

function goOnReading(): void {
  heardMs = performance.now();
  socket.resume();
}

/** A probe comes as long after the one before as the link needs for its bytes; but for some, when this thread was busy. */
function measureLink(bytes: number): void {
  probedMs.push(performance.now());
  if (probedMs.length !== LINK_PROBES) return;
  const gapsMs = probedMs.slice(1).map((ms, i) => ms - probedMs[i]!);
  const medianMs = gapsMs.sort((a, b) => a - b)[Math.floor(gapsMs.length / 2)]!;
  const bytesPerSecond = (1000 * bytes) / Math.max(0.1, medianMs);
  packing = packingPays(bytesPerSecond);
  say({ type: "link", bytesPerSecond });
}

function send(message: Extract<ToSocket, { type: "send" }>["message"]): void {
  const timed = message.type === "contribution" ? { ...message, io: clock.take() } : message;
  const bytes = clock.encode(() => encode(timed));
  if (socket.readyState === socket.OPEN) socket.send(bytes, clock.sending());
}

function beatEvery(everyMs: number): void {
  clearInterval(heartbeat);
  heartbeat = setInterval(() => beat(everyMs), everyMs);
}

function beat(everyMs: number): void {
  send({ type: "heartbeat" });
  if (socket.isPaused) return; // then it is this end that hears nothing
  const silentMs = performance.now() - heardMs;
  if (silentMs < COORDINATOR_SILENT_BEATS * everyMs) return;
  fault ??= new LockstepError(
    "ERR_SILENT",
    `Nothing was received from the coordinator for ${Math.round(silentMs / 1000)} s.`,
  );
  socket.terminate();
}

function say(from: FromSocket, transfer: ArrayBuffer[] = []): void {
  parentPort!.postMessage(from, transfer);
}
