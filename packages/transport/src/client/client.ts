/** Joins a coordinator as a worker does: opens the WebSocket, and shows the token to nobody but the coordinator. */
import type { ClientRequest, IncomingMessage } from "node:http";
import type { createConnection, Socket } from "node:net";
import { LockstepError } from "@lockstep/errors";
import { isLoopback, openTunnel, proxyFor } from "@lockstep/outbound";
import { WebSocket } from "ws";
import { assertNoZone } from "../addresses.ts";
import { assertToken } from "../credentials/token.ts";
import { refusalOf } from "./refusal.ts";
import { connectSecurely, readFingerprint } from "./secure-connection.ts";

/** What a worker shows the coordinator, and what it wants to see of it. */
export interface JoinOptions {
  /** The coordinator's token. @default none is sent */
  token?: string | undefined;
  /** SHA-256 of the coordinator's certificate, for `wss://`. @default a known authority vouches for it */
  tlsFingerprint?: string | undefined;
  /** Whether the token may cross a network that anyone on it can read. @default false */
  insecure?: boolean | undefined;
}

/** How a worker joins, and what it accepts from the coordinator. */
export interface SocketOptions extends JoinOptions {
  /** The largest message that the coordinator may send, in bytes. */
  maxPayload: number;
  /** How long the TLS handshake, and then the answer to the join, may take, in ms. @default 10 000 */
  handshakeMs?: number | undefined;
}

/**
 * Opens a WebSocket to the coordinator. Why it was not let in comes as the `error` event, a LockstepError: ERR_TOKEN
 * (401), ERR_REFUSED (403), ERR_LIMITED (429), ERR_FULL (503), ERR_CONNECT (any other answer), ERR_CERTIFICATE,
 * ERR_PROXY; an error of the network comes as it is. `close` follows. The proxy that the environment names is used.
 * @throws LockstepError ERR_INSECURE if the token or the fingerprint would be in vain, ERR_OPTION or ERR_TOKEN if an
 *   option is malformed, ERR_PROXY if the environment's proxy is
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
    request.emit("error", refusal); // Where ws listens: it emits `error` and `close` on the socket, in this order.
    request.destroy();
  });
  return socket;
}

/**
 * Makes sure that joining there gives away nothing, before anything is sent.
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
      `A fingerprint needs TLS: expected wss://, got ${target.origin}; name the coordinator as wss://, or leave the fingerprint out.`,
    );
  }
  if (token !== undefined && !secure && !insecure && !isLoopback(target.hostname)) {
    throw new LockstepError(
      "ERR_INSECURE",
      `The token would cross the network readable by anyone on it: expected wss://, got ${target.origin}; start the coordinator with TLS, or allow it with --insecure on a network that you trust.`,
    );
  }
  return { target, pin, proxy: proxyFor(target) };
}

/**
 * Leaves the mask zero. Masks are there so that scripts of web pages cannot make caches on the way take their bytes for
 * HTTP (RFC 6455, section 10.3). No page's script runs here, so the zeros change nothing; else each end would pass over
 * every byte in JavaScript.
 */
const noMask = () => {};

/** Makes a `createConnection` for ws: the request is written to the connection that is answered, and to none before. */
function createConnectionBy(connectTo: () => Promise<Socket>): typeof createConnection {
  const create = (_: unknown, callback: (error: Error | null, socket?: Socket) => void) => {
    connectTo().then((socket) => callback(null, socket), callback);
  };
  return create as unknown as typeof createConnection;
}

function readUrl(url: string): URL {
  const [, host = ""] = /^wss?:\/\/([^/?#@]*)/i.exec(url) ?? [];
  assertNoZone("--coordinator", host, "name it by another address, or by a name");
  const target = URL.canParse(url) ? new URL(url) : undefined;
  const isPlain = target !== undefined && target.hash === "" && target.username === "" && target.password === "";
  if (isPlain && ["ws:", "wss:"].includes(target.protocol)) return target;
  const shown = JSON.stringify(url.replace(/^(\w+:\/\/)?[^/]*@/, "$1…@").replace(/[?#].*$/s, "…")); // No secrets.
  throw new LockstepError(
    "ERR_OPTION",
    `Expected the coordinator as ws://host:port or wss://host:port, got ${shown}; a token goes into LOCKSTEP_TOKEN.`,
  );
}
