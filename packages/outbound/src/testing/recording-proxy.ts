/** For tests: an HTTP proxy that records its requests. */
import { once } from "node:events";
import { createServer, request as httpRequest } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";

/** A proxy that records each request. */
export interface RecordingProxy {
  /** `host:port` of the proxy. */
  address: string;
  /** The request line of each request, and its user, if any. */
  requests: { line: string; user?: string }[];
  close(): Promise<void>;
}

/**
 * Starts a proxy on loopback. It connects to loopback for any requested host, so host names need no resolver.
 *
 * @param refuse status with which to refuse every request
 */
export async function startRecordingProxy({ refuse }: { refuse?: number } = {}): Promise<RecordingProxy> {
  const requests: RecordingProxy["requests"] = [];
  const sockets = new Set<Socket>();
  const record = (line: string, authorization: string | undefined) => {
    const user = authorization && Buffer.from(authorization.replace("Basic ", ""), "base64").toString();
    requests.push({ line, ...(user && { user }) });
  };
  const server = createServer((incoming, outgoing) => {
    record(`${incoming.method} ${incoming.url}`, incoming.headers["proxy-authorization"]);
    if (refuse !== undefined) return void outgoing.writeHead(refuse).end();
    const { port, pathname } = new URL(incoming.url ?? "");
    const forward = httpRequest({ host: "127.0.0.1", port, path: pathname, headers: incoming.headers }, (response) => {
      outgoing.writeHead(response.statusCode ?? 502, response.headers);
      response.pipe(outgoing);
    });
    forward.on("error", () => outgoing.destroy()).end();
  });
  server.on("connect", ({ url, headers }, client: Socket, head: Buffer) => {
    record(`CONNECT ${url}`, headers["proxy-authorization"]);
    if (refuse !== undefined) return void client.end(`HTTP/1.1 ${refuse} No\r\n\r\n`);
    const end = connect(Number(/\d+$/.exec(url ?? "")?.[0]), "127.0.0.1", () => {
      client.write("HTTP/1.1 200 Connection established\r\n\r\n");
      end.write(head);
      end.pipe(client).pipe(end);
    });
    end.on("error", () => client.destroy());
    client.on("error", () => end.destroy());
  });
  server.on("connection", (socket) => sockets.add(socket.on("close", () => sockets.delete(socket))));
  await once(server.listen(0, "127.0.0.1"), "listening");
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
