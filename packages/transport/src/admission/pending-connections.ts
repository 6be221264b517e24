/**
 * The connections of a server. Those that have not joined share the room between networks, so that none takes it all.
 */
import type { Socket } from "node:net";
import { networkOf } from "../addresses.ts";

/** Most connections beyond those of workers: pages, and joins that are not yet decided. Others are dropped at once. */
export const MAX_PENDING = 256;
/** Most pending connections that one network may have, so that it leaves room for others. */
const MAX_PENDING_PER_NETWORK = MAX_PENDING / 2;

/** A connection counts as pending until its WebSocket is accepted; a page's connection stays pending. */
interface Connection {
  readonly socket: Socket;
  readonly remote: RemoteEndpoint;
  state: "pending" | "joined";
}

/** The other end of a connection, which is the same for the TLS on top of it. */
interface RemoteEndpoint {
  address: string;
  port: number;
}

/** Keeps each connection of a server until it closes, and bounds the pending ones of each network. */
export class ServerConnections {
  readonly #open = new Set<Connection>();

  /** Takes in a new connection, or drops it if its network has too many that are pending. */
  accept(socket: Socket): void {
    const connection: Connection = { socket, remote: remoteEndpointOf(socket), state: "pending" };
    if (this.#pendingOf(networkOf(connection.remote.address)) >= MAX_PENDING_PER_NETWORK) {
      socket.destroy();
      return;
    }
    this.#open.add(connection);
    socket.once("close", () => this.#open.delete(connection));
  }

  /** Notes that the WebSocket on this socket, or on the TLS above it, was accepted: it is not pending any more. */
  join(socket: Socket): void {
    const { address, port } = remoteEndpointOf(socket);
    for (const connection of this.#open) {
      if (connection.remote.address === address && connection.remote.port === port) connection.state = "joined";
    }
  }

  /** Ends all connections at once. */
  destroy(): void {
    for (const { socket } of this.#open) socket.destroy();
  }

  #pendingOf(network: string): number {
    const isPending = ({ state, remote }: Connection) => state === "pending" && networkOf(remote.address) === network;
    return [...this.#open].filter(isPending).length;
  }
}

/** Returns the remote address and port; IPv4 has its own form also where it comes in by an IPv6 socket. */
export function remoteEndpointOf({ remoteAddress = "unknown", remotePort = 0 }: Socket): RemoteEndpoint {
  return { address: remoteAddress.replace(/^::ffff:(?=\d+\.)/, ""), port: remotePort };
}
