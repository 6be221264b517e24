/** The coordinator's server: accepts WebSockets and serves pages, each after a decision by `admit`. */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";
import type { AdmissionRequest, AdmissionVerdict } from "../admission/admission.ts";
import { MAX_PENDING, remoteEndpointOf, ServerConnections } from "../admission/pending-connections.ts";
import { RequestAdmission } from "../admission/request-admission.ts";
import { DEFAULT_LIMITS, type ServerOptions } from "../server-options.ts";
import { refusePage, refuseUpgrade, respondWithoutPages } from "./http-responses.ts";
import { listen, makeHttpServer } from "./listen.ts";

/** Milliseconds that `close` waits for the closing handshakes of the WebSockets. */
const CLOSE_TIMEOUT_MS = 2000;

type ServerState = { name: "listening" } | { name: "closing"; closed: Promise<void> };

/**
 * Opens a server.
 *
 * @throws LockstepError ERR_LISTEN if the port cannot be bound, ERR_TOKEN if a header cannot carry the token,
 * ERR_OPTION if an allowed host is invalid
 */
export async function openServer(options: ServerOptions): Promise<TransportServer> {
  const admission = new RequestAdmission(options);
  const server = makeHttpServer(options.tls, options.handshakeMs ?? DEFAULT_LIMITS.handshakeMs);
  const port = await listen(server, options);
  return new TransportServer(server, port, admission, options);
}

/** A listening server, which handles requests and passes WebSockets to `onSocket` until it is closed. */
export class TransportServer {
  /** The port on which it listens, which may differ from the requested one. */
  readonly port: number;
  readonly secure: boolean;
  readonly #http: Server;
  readonly #admission: RequestAdmission;
  readonly #options: ServerOptions;
  readonly #webSockets: WebSocketServer;
  readonly #connections = new ServerConnections();
  #state: ServerState = { name: "listening" };

  /** @param http an HTTP server that listens on `port` */
  constructor(http: Server, port: number, admission: RequestAdmission, options: ServerOptions) {
    const { tls, maxPayload, maxWorkers = DEFAULT_LIMITS.maxWorkers } = options;
    this.port = port;
    this.secure = tls !== undefined;
    this.#http = http;
    this.#admission = admission;
    this.#options = options;
    this.#webSockets = new WebSocketServer({ noServer: true, maxPayload, perMessageDeflate: false });
    http.maxConnections = maxWorkers + MAX_PENDING;
    http.on("connection", (socket) => this.#connections.accept(socket));
    http.on("request", (request, response) => this.#respond(request, response));
    http.on("upgrade", (request, connection, head) => this.#upgrade(request, connection, head));
    http.on("error", () => {}); // a connection could not be accepted, for lack of file descriptors
  }

  /**
   * Closes each WebSocket with code 1000, waits for the closing handshakes for a limited time, and ends all
   * connections.
   */
  close(): Promise<void> {
    if (this.#state.name === "listening") this.#state = { name: "closing", closed: this.#close() };
    return this.#state.closed;
  }

  #respond(request: IncomingMessage, response: ServerResponse): void {
    const { isProtected = () => false, onRequest = respondWithoutPages } = this.#options;
    const admission = this.#decide(isProtected(pathOf(request)) ? "read" : "page", request);
    if (admission.verdict === "accept") onRequest(request, response);
    else refusePage(response, admission);
  }

  #upgrade(request: IncomingMessage, connection: Duplex, head: Buffer): void {
    const { handshakeMs = DEFAULT_LIMITS.handshakeMs } = this.#options;
    const admission = this.#decide("join", request);
    if (admission.verdict === "refuse") refuseUpgrade(connection, admission, handshakeMs);
    else this.#webSockets.handleUpgrade(request, connection, head, (socket) => this.#join(socket, request));
  }

  #join(socket: WebSocket, { socket: connection }: IncomingMessage): void {
    socket.on("error", () => socket.terminate());
    this.#connections.join(connection);
    const onData = (onBytes: () => void) => void connection.on("data", onBytes);
    this.#options.onSocket(socket, { address: remoteEndpointOf(connection).address, onData });
  }

  #decide(kind: AdmissionRequest["kind"], request: IncomingMessage): AdmissionVerdict {
    return this.#admission.decide(kind, request, { port: this.port, sessions: this.#webSockets.clients.size });
  }

  async #close(): Promise<void> {
    this.#options.onClosing?.();
    const closed = new Promise((resolve) => this.#http.close(resolve));
    const closing = [...this.#webSockets.clients].map((socket) => {
      socket.close(1000);
      return new Promise((resolve) => socket.once("close", resolve));
    });
    const timeout = setTimeout(() => this.#connections.destroy(), CLOSE_TIMEOUT_MS);
    await Promise.all(closing);
    clearTimeout(timeout);
    this.#connections.destroy();
    await closed;
  }
}

const pathOf = ({ url = "" }: IncomingMessage) => url.replace(/\?.*/, "");
