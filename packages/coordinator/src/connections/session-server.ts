/** The server of the workers' connections: each connection gets a session. */
import { MAX_MESSAGE_BYTES, toWorkerId } from "@lockstep/gradient-sync";
import { type ListenOptions, openServer, type Peer, type TransportServer } from "@lockstep/transport";
import { Session, type SessionOptions } from "./session.ts";

/** The listen options, and the options that all sessions share. */
export interface SessionServerOptions extends Omit<SessionOptions, keyof Peer | "workerId"> {
  listen: ListenOptions;
}

/**
 * Listens for workers and serves a session to each.
 *
 * @throws LockstepError ERR_LISTEN if the port is in use or not permitted
 */
export function serveSessions({ listen, ...settings }: SessionServerOptions): Promise<TransportServer> {
  let workersSeen = 0;
  return openServer({
    ...listen,
    maxPayload: MAX_MESSAGE_BYTES,
    onSocket(socket, peer) {
      new Session(socket, { workerId: toWorkerId(workersSeen++), ...peer, ...settings });
    },
  });
}
