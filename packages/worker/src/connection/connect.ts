/** Connects a worker to its coordinator. */
import { startThread } from "@lockstep/files";
import { assertJoin, type JoinOptions } from "@lockstep/transport";
import type { Connection } from "./connection.ts";
import { SocketConnection } from "./socket-connection.ts";
import type { SocketData } from "./socket-messages.ts";

/**
 * Bytes of messages that may wait to be received. Beyond them the socket is paused: backpressure on the coordinator.
 */
const MAX_BUFFERED_BYTES = 256 * 2 ** 20;

/**
 * Connects to the coordinator at `url`. The socket runs on its own thread.
 *
 * @throws LockstepError ERR_CONNECT if nothing answers at `url`, or the reason why the coordinator refused
 */
export async function connect(
  url: string,
  join: JoinOptions,
  maxBufferedBytes: number = MAX_BUFFERED_BYTES,
): Promise<Connection> {
  assertJoin(url, join); // on this thread, so that its error arrives unchanged
  const data: SocketData = { url, join, maxBufferedBytes };
  const connection = new SocketConnection(startThread("socket-thread", import.meta.url, data));
  await connection.opened();
  return connection;
}
