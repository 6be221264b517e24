/** The server of the workers' connections: each gets a session. */
import { MAX_MESSAGE_BYTES, toWorkerId } from "@lockstep/gradient-sync";
import { type ListenOptions, openServer, type Peer, type TransportServer } from "@lockstep/transport";
import { Session, type SessionOptions } from "./session.ts";

/** Where sessions are served, and what they have in common. */
export interface SessionServerOptions extends Omit<SessionOptions, keyof Peer | "workerId"> {
  listen: ListenOptions;
}

/**
 * Starts to listen for workers.
 *
 * @throws LockstepError as `openServer` does, if the port is taken or not ours
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
