/** What runs on the socket thread: encodes and sends, receives and decodes, and sends heartbeats. */
import { parentPort, workerData } from "node:worker_threads";
import { explainFailedJoin, type JoinOptions, openSocket } from "@lockstep/door";
import { LockstepError } from "@lockstep/errors";
import { decodeFromCoordinator, encode, MAX_MESSAGE_BYTES } from "@lockstep/gradient-sync";
import type { FromSocket, ToSocket } from "./connection.ts";

const { url, join } = workerData as { url: string; join: JoinOptions };
const say = (from: FromSocket) => parentPort!.postMessage(from);
const socket = openSocket(url, { ...join, maxPayload: MAX_MESSAGE_BYTES });
let heartbeat: NodeJS.Timeout | undefined;
let fault: LockstepError | undefined;
let opened = false;

socket.on("open", () => {
  opened = true;
  say({ type: "open" });
});
socket.on("message", (data: Buffer) => {
  try {
    const message = decodeFromCoordinator(data);
    // A view of a pooled buffer would carry the whole pool to the other thread.
    say({ type: "message", message: "data" in message ? { ...message, data: message.data.slice() } : message });
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
  say({ type: "closed", code: code as `ERR_${string}`, reason: message });
});

parentPort!.on("message", (to: ToSocket) => {
  switch (to.type) {
    case "send":
      return socket.send(encode(to.message));
    case "heartbeat":
      heartbeat = setInterval(() => socket.send(encode({ type: "heartbeat" })), to.everyMs);
      return;
    case "close":
      return socket.close(1000);
  }
});
