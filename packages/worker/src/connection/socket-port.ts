/** The socket thread's end of a connection: it passes messages between the socket and the port. */
import type { MessagePort } from "node:worker_threads";
import { CoordinatorSocket } from "./coordinator-socket.ts";
import type { SocketData, ToSocket } from "./socket-messages.ts";

/** Connects a socket to the coordinator, and the socket with the port to the computing thread. */
export function openSocketAt(port: MessagePort, data: SocketData): void {
  const socket = new CoordinatorSocket(data, (from, transferred) => port.postMessage(from, transferred));
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
}
