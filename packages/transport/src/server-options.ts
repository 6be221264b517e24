/** Options of a server: its address, its admission rules and its callbacks. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { WebSocket } from "ws";

/** Default limits of a server. */
export const DEFAULT_LIMITS = { refusedJoinsPerMinute: 10, maxWorkers: 256, handshakeMs: 10_000 };

/** Options of a server that the user decides. */
export interface ListenOptions {
  host: string;
  port: number;
  /** Whether to use the next free port if `port` is in use. */
  anyPort: boolean;
  /** Certificate and private key for TLS, both in PEM format. @default plain HTTP */
  tls?: { key: string; cert: string } | undefined;
  /** Token that every join needs. @default none: anyone who reaches the server may join */
  token?: string | undefined;
  /** Further host names of this coordinator, as `name` or `name:port`. @default none */
  allowHosts?: string[] | undefined;
  /** Maximum number of joins without the right token from one address within a minute. @default 10 */
  refusedJoinsPerMinute?: number | undefined;
  /** Maximum number of open WebSockets. @default 256 */
  maxWorkers?: number | undefined;
  /** Milliseconds that a TLS handshake, and then a request, may take to arrive. @default 10 000 */
  handshakeMs?: number | undefined;
  /** Monotonic clock in milliseconds. @default performance.now */
  nowMs?: (() => number) | undefined;
  /** Handles a request for a page; must not throw. @default status 426 for `/`, 404 for other paths */
  onRequest?: ((request: IncomingMessage, response: ServerResponse) => void) | undefined;
  /**
   * Returns whether a path shows facts of the run. Such paths require the token, if there is one.
   *
   * @default none
   */
  isProtected?: ((path: string) => boolean) | undefined;
  /** Is called before the server ends its connections: the last chance to complete responses that are still open. */
  onClosing?: (() => void) | undefined;
  /** Called for each refusal, of which there may be many. */
  onRefused?: ((refusal: { address: string; status: number; reason: string }) => void) | undefined;
}

/** All options of a server. */
export interface ServerOptions extends ListenOptions {
  /** Maximum bytes of a message from a worker. */
  maxPayload: number;
  /**
   * Called with the socket of each accepted worker. The socket already has an error listener, so that an invalid frame
   * can only end its own connection.
   */
  onSocket(socket: WebSocket, peer: Peer): void;
}

/** The remote end of a WebSocket. */
export interface Peer {
  address: string;
  /** Calls `onBytes` whenever bytes arrive, also in the middle of a message. */
  onData(onBytes: () => void): void;
}
