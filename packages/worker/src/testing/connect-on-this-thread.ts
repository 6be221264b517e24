/** A connection whose socket is on the computing thread: starting a thread from TypeScript takes a second. */
import { MessageChannel } from "node:worker_threads";
import type { Connection } from "../connection/connection.ts";
import { SocketConnection } from "../connection/socket-connection.ts";
import { openSocketAt } from "../connection/socket-port.ts";

const MAX_BUFFERED_BYTES = 256 * 2 ** 20;

/**
 * Connects to the coordinator at `url`. Only the thread is missing: heartbeats wait while this thread computes.
 *
 * @throws LockstepError ERR_CONNECT if nothing answers at `url`, or the reason why the coordinator refused
 */
export async function connectOnThisThread(url: string): Promise<Connection> {
  const { port1: computing, port2: socket } = new MessageChannel();
  openSocketAt(socket, { url, join: {}, maxBufferedBytes: MAX_BUFFERED_BYTES });
  const terminate = async () => computing.close();
  const connection = new SocketConnection(Object.assign(computing, { terminate }));
  await connection.opened();
  return connection;
}
