/** What runs on the socket thread: encodes and sends, receives and decodes, and sends heartbeats. */
import { parentPort, workerData } from "node:worker_threads";
import { LockstepError } from "@lockstep/errors";
import { decodeFromCoordinator, encode, MAX_MESSAGE_BYTES } from "@lockstep/gradient-sync";
import { WebSocket } from "ws";
import type { FromSocket, ToSocket } from "./connection.ts";

const { url } = workerData as { url: string };
const say = (from: FromSocket) => parentPort!.postMessage(from);
const socket = new WebSocket(url, { maxPayload: MAX_MESSAGE_BYTES, perMessageDeflate: false });
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
  const reason = opened
    ? error.message
    : `Nobody answers at ${url} (${error.message || (error as NodeJS.ErrnoException).code}). Start \`pnpm coordinator\` there first, or name its address with --coordinator.`;
  fault ??= new LockstepError("ERR_CONNECT", reason);
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
