/** Opens the WebSocket of a worker to its coordinator, and sends the token only to that coordinator. */
import type { ClientRequest, IncomingMessage } from "node:http";
import type { createConnection, Socket } from "node:net";
import { LockstepError } from "@lockstep/errors";
import { isLoopback, openTunnel, proxyFor } from "@lockstep/outbound";
import { WebSocket } from "ws";
import { assertNoZone } from "../addresses.ts";
import { assertToken } from "../credentials/token.ts";
import { refusalOf } from "./refusal.ts";
import { connectSecurely, readFingerprint } from "./secure-connection.ts";

/** Credentials for joining a coordinator. */
export interface JoinOptions {
  /** The coordinator's token. @default no token is sent */
  token?: string | undefined;
  /**
   * SHA-256 fingerprint of the coordinator's certificate, for `wss://`.
   *
   * @default a known authority must have issued it
   */
  tlsFingerprint?: string | undefined;
  /** Whether the token may cross a network unencrypted. @default false */
  insecure?: boolean | undefined;
}

/** Options of `openSocket`. */
export interface SocketOptions extends JoinOptions {
  /** Maximum bytes of a message from the coordinator. */
  maxPayload: number;
  /** Milliseconds that the TLS handshake, and then the response to the join, may take. @default 10 000 */
  handshakeMs?: number | undefined;
}

/**
 * Opens a WebSocket to the coordinator, through the proxy in the environment if there is one. A refusal is emitted as
 * an `error` event with a LockstepError: ERR_TOKEN (401), ERR_REFUSED (403), ERR_LIMITED (429), ERR_FULL (503),
 * ERR_CONNECT (any other response), ERR_CERTIFICATE or ERR_PROXY. A network error is emitted unchanged. `close`
 * follows.
 *
 * @throws LockstepError ERR_INSECURE if the token or the fingerprint would give no protection, ERR_OPTION or ERR_TOKEN
 * if an option is malformed, ERR_PROXY if the proxy in the environment is invalid
 */
export function openSocket(url: string, options: SocketOptions): WebSocket {
  const { token, maxPayload, handshakeMs = 10_000 } = options;
  const { target, pin, proxy } = assertJoin(url, options);
  const secure = target.protocol === "wss:";
  const endpoint = { host: target.hostname.replace(/^\[|\]$/g, ""), port: Number(target.port || (secure ? 443 : 80)) };
  const tunnel = proxy && (() => openTunnel(proxy, endpoint, handshakeMs));
  const connect = secure ? () => connectSecurely({ ...endpoint, pin, handshakeMs, tunnel }) : tunnel;
  const socket = new WebSocket(target, {
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    handshakeTimeout: handshakeMs,
    maxPayload,
    perMessageDeflate: false,
    generateMask: noMask,
    ...(connect && { createConnection: createConnectionBy(connect) }),
  });
  socket.on("unexpected-response", async (request: ClientRequest, response: IncomingMessage) => {
    const refusal = await refusalOf(response, target.origin, token);
    request.emit("error", refusal); // ws listens here, and emits `error` and then `close` on the socket
    request.destroy();
  });
  return socket;
}

/**
 * Asserts, before anything is sent, that joining this coordinator does not reveal the token.
 *
 * @throws LockstepError as `openSocket` does
 */
export function assertJoin(url: string, { token, tlsFingerprint, insecure = false }: JoinOptions) {
  const target = readUrl(url);
  const secure = target.protocol === "wss:";
  if (token !== undefined) assertToken(token);
  const pin = tlsFingerprint === undefined ? undefined : readFingerprint(tlsFingerprint);
  if (pin !== undefined && !secure) {
    throw new LockstepError(
      "ERR_INSECURE",
      `Expected a wss:// address with --tls-fingerprint, got ${target.origin}. Use the wss:// address, or omit the fingerprint.`,
    );
  }
  if (token !== undefined && !secure && !insecure && !isLoopback(target.hostname)) {
    throw new LockstepError(
      "ERR_INSECURE",
      `Expected a wss:// address, got ${target.origin}: the token would cross the network unencrypted. Start the coordinator with TLS, or use --insecure on a network that you trust.`,
    );
  }
  return { target, pin, proxy: proxyFor(target) };
}

/**
 * Leaves the mask of WebSocket frames zero. Masks prevent scripts of web pages from making caches on the way interpret
 * their bytes as HTTP (RFC 6455, section 10.3), which does not apply here. Without masks, neither end has to process
 * every byte in JavaScript.
 */
const noMask = () => {};

/**
 * Returns a `createConnection` for ws that waits for `connectTo`, so that the request is written to that connection
 * only.
 */
function createConnectionBy(connectTo: () => Promise<Socket>): typeof createConnection {
  const create = (_: unknown, callback: (error: Error | null, socket?: Socket) => void) => {
    connectTo().then((socket) => callback(null, socket), callback);
  };
  return create as unknown as typeof createConnection;
}

function readUrl(url: string): URL {
  const [, host = ""] = /^wss?:\/\/([^/?#@]*)/i.exec(url) ?? [];
  assertNoZone("--coordinator", host, "Use another address, or a host name");
  const target = URL.canParse(url) ? new URL(url) : undefined;
  const isPlain = target !== undefined && target.hash === "" && target.username === "" && target.password === "";
  if (isPlain && ["ws:", "wss:"].includes(target.protocol)) return target;
  const shown = JSON.stringify(url.replace(/^(\w+:\/\/)?[^/]*@/, "$1…@").replace(/[?#].*$/s, "…")); // no secrets
  throw new LockstepError(
    "ERR_OPTION",
    `Expected --coordinator to be ws://HOST:PORT or wss://HOST:PORT, got ${shown}. Give for example --coordinator ws://192.0.2.7:7077.`,
  );
}
