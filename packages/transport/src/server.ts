/** The coordinator's server: takes in the WebSockets of workers, and answers pages, after `admit` has agreed to each. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { LockstepError } from "@lockstep/errors";
import { type WebSocket, WebSocketServer } from "ws";
import { type Admission, type AdmissionRequest, admit } from "./admission.ts";
import { AuthRateLimit } from "./auth-rate-limit.ts";
import { refusePage, refuseUpgrade, respondWithoutPages } from "./http-responses.ts";
import { knownHosts, thisMachine } from "./known-hosts.ts";
import { PendingConnections, type RemoteEnd } from "./pending-connections.ts";
import { bearerToken, checkToken } from "./token.ts";

/** Connections beyond those of workers: pages, and joins that are not yet decided. The rest is dropped at once. */
const SPARE_CONNECTIONS = 256;
/** Of these, what one address may have, so that it leaves room for others. */
const SPARE_PER_ADDRESS = SPARE_CONNECTIONS / 2;
/** Limits of a server whose options name no others. */
export const DEFAULT_LIMITS = { refusedJoinsPerMinute: 10, maxWorkers: 256, handshakeMs: 10_000 };
/** How long `close` waits for the other ends to say goodbye. */
const GOODBYE_MS = 2000;

export interface ServerOptions {
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
  /** The largest message that a worker may send, in bytes. */
  maxPayload: number;
  /** Joins without the right token that one address may try within a minute. @default 10 */
  refusedJoinsPerMinute?: number | undefined;
  /** WebSockets that may be open at once. @default 256 */
  maxWorkers?: number | undefined;
  /** How long a TLS handshake, and then a request, may take to arrive, in ms. @default 10 000 */
  handshakeMs?: number | undefined;
  /** @default performance.now */
  nowMs?: (() => number) | undefined;
  /** A worker was let in. It has an error listener already, so that what it sends can end its own connection only. */
  onSocket(socket: WebSocket, peer: Peer): void;
  /** Answers a page; must not throw. @default 426 for `/`, 404 for the rest */
  onRequest?: ((request: IncomingMessage, response: ServerResponse) => void) | undefined;
  /** Which paths show something of the run: where there is a token, they are answered to whoever shows it. @default none */
  guards?: ((path: string) => boolean) | undefined;
  /** Someone was refused; may come often. @default nobody is told */
  onRefused?: ((refusal: { address: string; status: number; reason: string }) => void) | undefined;
}

/** Who has joined. */
export interface Peer {
  address: string;
  /** Calls `onBytes` whenever some have come, also in the middle of a message. */
  hear(onBytes: () => void): void;
}

/** The options of a server that the user decides. */
export type ListenOptions = Omit<ServerOptions, "maxPayload" | "onSocket">;

export interface TransportServer {
  /** Where it listens, which may be another port than asked for. */
  port: number;
  secure: boolean;
  /** Closes each WebSocket with 1000, waits for the other ends for a moment, then ends every connection. */
  close(): Promise<void>;
}

/**
 * Starts to listen.
 * @throws LockstepError ERR_LISTEN if the port is taken or not ours, ERR_TOKEN if no header can carry the token,
 *   ERR_OPTION if an allowed host is no name
 */
export async function openServer(options: ServerOptions): Promise<TransportServer> {
  const { host, anyPort, tls, token, allowHosts = [], maxPayload, onSocket, onRequest = respondWithoutPages } = options;
  const {
    guards = () => false,
    refusedJoinsPerMinute = DEFAULT_LIMITS.refusedJoinsPerMinute,
    maxWorkers = DEFAULT_LIMITS.maxWorkers,
    handshakeMs = DEFAULT_LIMITS.handshakeMs,
    nowMs = () => performance.now(),
  } = options;
  if (token !== undefined) checkToken(token);
  const secure = tls !== undefined;
  const hostsAt = (port: number) => knownHosts({ host, port, secure, allowHosts, machine: thisMachine() });
  hostsAt(options.port); // Tells at once of an allowed host that is none.

  const rateLimit = new AuthRateLimit(refusedJoinsPerMinute);
  const webSockets = new WebSocketServer({ noServer: true, maxPayload, perMessageDeflate: false });
  const connections = new Set<Socket>();
  const pending = new PendingConnections(SPARE_PER_ADDRESS);
  const server = makeServer(tls, handshakeMs);
  server.maxConnections = maxWorkers + SPARE_CONNECTIONS;
  server.on("connection", (connection: Socket) => {
    const end = remoteEndOf(connection);
    if (!pending.add(end)) {
      connection.destroy();
      return;
    }
    connections.add(connection);
    connection.once("close", () => {
      connections.delete(connection);
      pending.remove(end);
    });
  });
  server.on("request", (request, response) => {
    const admission = decide(guards(pathOf(request)) ? "read" : "page", request);
    if (admission.verdict === "accept") onRequest(request, response);
    else refusePage(response, admission);
  });
  server.on("upgrade", (request, connection, head) => {
    const admission = decide("join", request);
    if (admission.verdict === "refuse") {
      refuseUpgrade(connection, admission, handshakeMs);
      return;
    }
    webSockets.handleUpgrade(request, connection, head, (socket) => {
      socket.on("error", () => socket.terminate());
      pending.remove(remoteEndOf(request.socket));
      const hear = (onBytes: () => void) => void connection.on("data", onBytes);
      onSocket(socket, { address: remoteEndOf(request.socket).address, hear });
    });
  });
  const port = await listen(server, host, options.port, anyPort);
  server.on("error", () => {}); // One connection that could not be accepted, for want of file descriptors.

  function decide(kind: AdmissionRequest["kind"], request: IncomingMessage): Admission {
    const { host, origin, authorization } = request.headers;
    const { address } = remoteEndOf(request.socket);
    const admission = admit(
      nowMs(),
      { sessions: webSockets.clients.size, rateLimit },
      {
        kind,
        address,
        host,
        origin,
        token: bearerToken(authorization) ?? (kind === "read" ? queryToken(request) : undefined),
      },
      { token, hosts: hostsAt(port), secure, refusedJoinsPerMinute, maxWorkers },
    );
    if (admission.verdict === "refuse") {
      if (admission.status === 401) rateLimit.add(nowMs(), address);
      options.onRefused?.({ address, status: admission.status, reason: admission.reason });
    }
    return admission;
  }

  async function close(): Promise<void> {
    const closed = new Promise((resolve) => server.close(resolve));
    const goodbyes = [...webSockets.clients].map((socket) => {
      socket.close(1000);
      return new Promise((resolve) => socket.once("close", resolve));
    });
    const goodbyeOver = setTimeout(endConnections, GOODBYE_MS);
    await Promise.all(goodbyes);
    clearTimeout(goodbyeOver);
    endConnections();
    await closed;
  }

  function endConnections(): void {
    for (const connection of connections) connection.destroy();
  }

  return { port, secure, close };
}

/**
 * Finds out early whether a server can listen there, before anything is written for the run that it will serve.
 *
 * @throws LockstepError ERR_LISTEN
 */
export async function assertPortFree({ host, port, anyPort }: Pick<ServerOptions, "host" | "port" | "anyPort">) {
  const server = createServer();
  await listen(server, host, port, anyPort);
  await new Promise((resolve) => server.close(resolve));
}

function makeServer(tls: ServerOptions["tls"], handshakeMs: number): Server {
  const timeouts = {
    headersTimeout: handshakeMs,
    requestTimeout: handshakeMs,
    connectionsCheckingInterval: Math.ceil(handshakeMs / 4),
  };
  if (tls === undefined) return createServer(timeouts);
  return createSecureServer({ key: tls.key, cert: tls.cert, handshakeTimeout: handshakeMs, ...timeouts });
}

async function listen(server: Server, host: string, port: number, anyPort: boolean): Promise<number> {
  try {
    await once(server.listen(port, host), "listening");
    return (server.address() as AddressInfo).port;
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === "EADDRINUSE" && anyPort && port < 65_535) return listen(server, host, port + 1, true);
    throw new LockstepError("ERR_LISTEN", `Cannot listen on ${host}:${port} (${message}); ${remedyFor(code)}.`, {
      cause,
    });
  }
}

function remedyFor(code: string | undefined): string {
  switch (code) {
    case "EADDRINUSE":
      return "something listens there already: end it, or choose another --port";
    case "EACCES":
      return "ports below 1024 are for the administrator: choose another --port";
    case "EADDRNOTAVAIL":
      return "this machine has no such address: choose another --host, or 0.0.0.0 for all of its addresses";
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return "this machine does not know the name: choose another --host, or 0.0.0.0 for all of its addresses";
    default:
      return "choose another --port or --host";
  }
}

const pathOf = ({ url }: IncomingMessage) => url!.replace(/\?.*/, "");

/** The token in a page's address: a browser sends no header with what it reads as a stream of events. */
function queryToken({ url }: IncomingMessage): string | undefined {
  return new URLSearchParams(/\?.*/.exec(url!)?.[0]).get("token") ?? undefined;
}

/** The remote address, with IPv4 in its own form also where it comes in by an IPv6 socket, and port. */
function remoteEndOf({ remoteAddress = "unknown", remotePort = 0 }: Socket): RemoteEnd {
  return { address: remoteAddress.replace(/^::ffff:(?=\d+\.)/, ""), port: remotePort };
}
