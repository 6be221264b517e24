/**
 * The connections of a server. Connections that have not joined are limited per network, so that no network can use up
 * all of them.
 */
import type { Socket } from "node:net";
import { networkOf } from "../addresses.ts";

/** Maximum number of connections besides those of workers: pages and undecided joins. More are dropped immediately. */
export const MAX_PENDING = 256;
/** Maximum number of pending connections of one network, which leaves the rest to others. */
const MAX_PENDING_PER_NETWORK = MAX_PENDING / 2;

/** An open connection. It is pending until its WebSocket is accepted; the connection of a page remains pending. */
interface Connection {
  readonly socket: Socket;
  readonly remote: RemoteEndpoint;
  state: "pending" | "joined";
}

/** The remote end of a connection, which is the same for a TLS socket and its TCP socket. */
interface RemoteEndpoint {
  address: string;
  port: number;
}

/** Tracks the open connections of a server, and limits the pending ones of each network. */
export class ServerConnections {
  readonly #open = new Set<Connection>();

  /** Adds a new connection, or drops it if its network has too many pending ones. */
  accept(socket: Socket): void {
    const connection: Connection = { socket, remote: remoteEndpointOf(socket), state: "pending" };
    if (this.#pendingOf(networkOf(connection.remote.address)) >= MAX_PENDING_PER_NETWORK) {
      socket.destroy();
      return;
    }
    this.#open.add(connection);
    socket.once("close", () => this.#open.delete(connection));
  }

  /** Marks the connection of an accepted WebSocket as no longer pending. @param socket its TCP or TLS socket */
  join(socket: Socket): void {
    const { address, port } = remoteEndpointOf(socket);
    for (const connection of this.#open) {
      if (connection.remote.address === address && connection.remote.port === port) connection.state = "joined";
    }
  }

  /** Closes all connections immediately. */
  destroy(): void {
    for (const { socket } of this.#open) socket.destroy();
  }

  #pendingOf(network: string): number {
    const isPending = ({ state, remote }: Connection) => state === "pending" && networkOf(remote.address) === network;
    return [...this.#open].filter(isPending).length;
  }
}

/** Returns the remote address and port. An IPv4 address has its usual form, also on an IPv6 socket. */
export function remoteEndpointOf({ remoteAddress = "unknown", remotePort = 0 }: Socket): RemoteEndpoint {
  return { address: remoteAddress.replace(/^::ffff:(?=\d+\.)/, ""), port: remotePort };
}
