/** The entry point of the socket thread: it connects the socket with the port to the computing thread. */
import { workerData } from "node:worker_threads";
import { threadPort } from "@lockstep/files";
import { CoordinatorSocket } from "./coordinator-socket.ts";
import type { SocketData, ToSocket } from "./socket-messages.ts";

const port = threadPort();
const socket = new CoordinatorSocket(workerData as SocketData, (from, transferred) =>
  port.postMessage(from, transferred),
);

port.on("message", (to: ToSocket) => {
  switch (to.type) {
    case "send":
      return socket.send(to.message);
    case "send-piece":
      return socket.sendPiece(to);
    case "heartbeat":
      return socket.heartbeat(to.everyMs);
    case "received":
      return socket.received(to.bytes);
    case "close":
      return socket.close();
  }
});
