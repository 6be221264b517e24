/** Listening on a port: the HTTP server under everything, and why a port cannot be had. */
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { AddressInfo } from "node:net";
import { LockstepError } from "@lockstep/errors";
import type { ListenOptions } from "../server-options.ts";

/** Where a server is to listen. */
export type ListenAddress = Pick<ListenOptions, "host" | "port" | "anyPort">;

/**
 * Checks early that a server can listen there, before anything is written for the run that it will serve.
 *
 * @throws LockstepError ERR_LISTEN
 */
export async function assertPortFree(where: ListenAddress): Promise<void> {
  const server = createServer();
  await listen(server, where);
  await new Promise((resolve) => server.close(resolve));
}

/** Makes the HTTP server, which speaks TLS if there is a certificate and drops requests that take longer than `handshakeMs`. */
export function makeHttpServer(tls: ListenOptions["tls"], handshakeMs: number): Server {
  const timeouts = {
    headersTimeout: handshakeMs,
    requestTimeout: handshakeMs,
    connectionsCheckingInterval: Math.ceil(handshakeMs / 4),
  };
  if (tls === undefined) return createServer(timeouts);
  return createSecureServer({ key: tls.key, cert: tls.cert, handshakeTimeout: handshakeMs, ...timeouts });
}

/**
 * Starts to listen, on the next free port if any will do.
 *
 * @returns the port
 * @throws LockstepError ERR_LISTEN if the port is taken or not ours
 */
export async function listen(server: Server, { host, port, anyPort }: ListenAddress): Promise<number> {
  try {
    await once(server.listen(port, host), "listening");
    return (server.address() as AddressInfo).port;
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === "EADDRINUSE" && anyPort && port < 65_535) return listen(server, { host, port: port + 1, anyPort });
    const text = `Cannot listen on ${host}:${port} (${message}); ${remedyFor(code)}.`;
    throw new LockstepError("ERR_LISTEN", text, { cause });
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
