/** Creates an HTTP server and binds it to a port. */
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { AddressInfo } from "node:net";
import { codeOf, LockstepError, messageOf } from "@lockstep/errors";
import type { ListenOptions } from "../server-options.ts";

/** The address on which a server listens. */
export type ListenAddress = Pick<ListenOptions, "host" | "port" | "anyPort">;

/**
 * Asserts that a server can listen on an address, before any file of the run is written.
 *
 * @throws LockstepError ERR_LISTEN if it cannot
 */
export async function assertPortFree(where: ListenAddress): Promise<void> {
  const server = createServer();
  await listen(server, where);
  await new Promise((resolve) => server.close(resolve));
}

/** Creates an HTTP server, with TLS if there is a certificate, that drops requests slower than `handshakeMs`. */
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
 * Starts to listen, with `anyPort` on the next free port.
 *
 * @returns the port
 * @throws LockstepError ERR_LISTEN if the port cannot be bound
 */
export async function listen(server: Server, { host, port, anyPort }: ListenAddress): Promise<number> {
  try {
    await once(server.listen(port, host), "listening");
    return (server.address() as AddressInfo).port;
  } catch (cause) {
    const code = codeOf(cause);
    if (code === "EADDRINUSE" && anyPort && port < 65_535) return listen(server, { host, port: port + 1, anyPort });
    const text = `Cannot listen on ${host}:${port} (${messageOf(cause)}). ${remedyFor(code)}.`;
    throw new LockstepError("ERR_LISTEN", text, { cause });
  }
}

function remedyFor(code: string | undefined): string {
  switch (code) {
    case "EADDRINUSE":
      return "Stop the program that uses the port, or choose another --port";
    case "EACCES":
      return "Ports below 1024 require administrator privileges: choose another --port";
    case "EADDRNOTAVAIL":
      return "This machine does not have that address: choose another --host, or 0.0.0.0 for all of its addresses";
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return "This machine cannot resolve the host name: choose another --host, or 0.0.0.0 for all of its addresses";
    default:
      return "Choose another --port or --host";
  }
}
