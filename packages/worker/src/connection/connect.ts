/** Connecting to a coordinator. */
import { startThread } from "@lockstep/files";
import { assertJoin, type JoinOptions } from "@lockstep/transport";
import type { Connection } from "./connection.ts";
import { SocketConnection } from "./socket-connection.ts";
import type { SocketData } from "./socket-messages.ts";

/**
 * Bytes that may have come and not be received yet; with more the socket is not read, and the coordinator has to wait.
 */
const MAX_BUFFERED_BYTES = 256 * 2 ** 20;

/**
 * Connects, with the socket on a thread of its own.
 *
 * @throws LockstepError ERR_CONNECT if nobody answers at `url`, or why `openSocket` did not get in there
 */
export async function connect(
  url: string,
  join: JoinOptions,
  maxBufferedBytes: number = MAX_BUFFERED_BYTES,
): Promise<Connection> {
  assertJoin(url, join); // here, where what it throws arrives as it is
  const data: SocketData = { url, join, maxBufferedBytes };
  const connection = new SocketConnection(startThread("socket-thread", import.meta.url, data));
  await connection.opened();
  return connection;
}
