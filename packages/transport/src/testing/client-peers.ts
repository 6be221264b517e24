/** For tests: the servers that a client meets, and the error of a socket that does not open. */
import { once } from "node:events";
import type { AddressInfo, Server, Socket } from "node:net";
import { createServer as createSecureServer } from "node:tls";
import { at } from "@lockstep/errors";
import { expect, onTestFinished } from "vitest";
import { openSocket, type SocketOptions } from "../client/client.ts";
import type { Certificate } from "../credentials/certificate.ts";
import { openServer } from "../server/server.ts";

/** The token of all servers. */
export const TOKEN = "the-secret-token";
/** Listens on a free port until the test ends. */
export async function listening(server: Server): Promise<number> {
  await once(server.listen(0, "127.0.0.1"), "listening");
  const connections = new Set<Socket>();
  server.on("connection", (connection: Socket) => connections.add(connection));
  onTestFinished(async () => {
    for (const connection of connections) connection.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return (server.address() as AddressInfo).port;
}

/** Opens a coordinator with TLS that greets those who have the token. @returns its port */
export async function secureServer(
  tls: Certificate,
  { allowHosts = [] }: { allowHosts?: string[] } = {},
): Promise<number> {
  const server = await openServer({
    host: "127.0.0.1",
    port: 0,
    anyPort: false,
    tls,
    token: TOKEN,
    allowHosts,
    maxPayload: 1000,
    onSocket: (socket) => socket.send("welcome"),
  });
  onTestFinished(() => server.close());
  return server.port;
}

/** Opens a TLS server that records all that it receives. */
export async function eavesdropper(tls: Certificate) {
  const heard: Buffer[] = [];
  const closed: Promise<unknown>[] = [];
  const server = createSecureServer(tls, (socket) => {
    socket.on("data", (data) => {
      heard.push(data);
      socket.end();
    });
    socket.on("error", () => {});
  });
  server.on("connection", (connection: Socket) => closed.push(new Promise((done) => connection.once("close", done))));
  const port = await listening(server);
  return {
    server,
    url: `wss://127.0.0.1:${port}`,
    /** What it has heard, when all connections are over. */
    heard: async () => {
      await Promise.all(closed);
      return Buffer.concat(heard).toString();
    },
  };
}

/** Returns the one error of a socket that does not open, after which it closes. */
export async function failure(url: string, options: Partial<SocketOptions> = {}) {
  const socket = openSocket(url, { token: TOKEN, maxPayload: 1000, ...options });
  const errors: (Error & { code?: string })[] = [];
  socket.on("error", (error) => errors.push(error));
  socket.on("open", () => errors.push(new Error("It opened.")));
  await new Promise((resolve) => socket.once("close", resolve));
  expect(errors).toHaveLength(1);
  const error = at(errors, 0);
  expect(error.message).not.toContain(TOKEN);
  return error;
}

/** Joins a coordinator. @returns what it says first */
export async function greeting(url: string, tlsFingerprint: string): Promise<string> {
  const socket = openSocket(url, { token: TOKEN, tlsFingerprint, maxPayload: 1000 });
  const [data] = await once(socket, "message");
  socket.close();
  return String(data);
}
