/** Options of a server: where it listens, whom it lets in, and who hears of that. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { WebSocket } from "ws";

/** Limits of a server whose options name no others. */
export const DEFAULT_LIMITS = { refusedJoinsPerMinute: 10, maxWorkers: 256, handshakeMs: 10_000 };

/** The options of a server that the user decides. */
export interface ListenOptions {
  host: string;
  port: number;
  /** Whether the next free port will do, if that one is taken. */
  anyPort: boolean;
  /** Speaks TLS with this certificate, both in PEM form. @default plain HTTP */
  tls?: { key: string; cert: string } | undefined;
  /** What every join must show. @default anyone who reaches the server may join */
  token?: string | undefined;
  /** Further names by which this coordinator is reached, as `name` or `name:port`. @default none */
  allowHosts?: string[] | undefined;
  /** Joins without the right token that one address may try within a minute. @default 10 */
  refusedJoinsPerMinute?: number | undefined;
  /** WebSockets that may be open at once. @default 256 */
  maxWorkers?: number | undefined;
  /** How long a TLS handshake, and then a request, may take to arrive, in ms. @default 10 000 */
  handshakeMs?: number | undefined;
  /** A monotonic clock, in ms. @default performance.now */
  nowMs?: (() => number) | undefined;
  /** Answers a page; must not throw. @default 426 for `/`, 404 for the rest */
  onRequest?: ((request: IncomingMessage, response: ServerResponse) => void) | undefined;
  /**
   * Which paths show something of the run: where there is a token, they are answered to whoever shows it.
   *
   * @default none
   */
  isProtected?: ((path: string) => boolean) | undefined;
  /** Hears of each refusal, of which there may be many. @default nobody is told */
  onRefused?: ((refusal: { address: string; status: number; reason: string }) => void) | undefined;
}

/** All options of a server. */
export interface ServerOptions extends ListenOptions {
  /** The largest message that a worker may send, in bytes. */
  maxPayload: number;
  /**
   * Takes the socket of a worker that was let in. It has an error listener already, so that what it sends can end its
   * own connection only.
   */
  onSocket(socket: WebSocket, peer: Peer): void;
}

/** Who has joined. */
export interface Peer {
  address: string;
  /** Calls `onBytes` whenever some have come, also in the middle of a message. */
  onData(onBytes: () => void): void;
}
