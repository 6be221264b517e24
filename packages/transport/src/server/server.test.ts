/** Checks a server over real sockets, with clients that are refused, malformed, slow or silent. */
import { once } from "node:events";
import { request as httpRequest, type IncomingMessage, type RequestOptions, type ServerResponse } from "node:http";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { connect as connectSecurely } from "node:tls";
import { at } from "@lockstep/errors";
import { expect, onTestFinished, test, vi } from "vitest";
import type { WebSocket } from "ws";
import { openSocket } from "../client/client.ts";
import { type Certificate, selfSigned } from "../credentials/certificate.ts";
import { DEFAULT_LIMITS, type ServerOptions } from "../server-options.ts";
import { openServer } from "./server.ts";

const UPGRADE = {
  connection: "Upgrade",
  upgrade: "websocket",
  "sec-websocket-version": "13",
  "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
};

/** Opens a server on a free port until the test ends, and records who joins. */
async function open(options: Partial<ServerOptions> = {}) {
  const sockets: WebSocket[] = [];
  const addresses: string[] = [];
  const statuses: number[] = [];
  const server = await openServer({
    host: "127.0.0.1",
    port: 0,
    anyPort: false,
    maxPayload: 1000,
    onSocket: (socket, { address }) => {
      sockets.push(socket);
      addresses.push(address);
    },
    onRefused: ({ status }) => statuses.push(status),
    ...options,
  });
  onTestFinished(() => server.close());
  const url = `ws${server.secure ? "s" : ""}://127.0.0.1:${server.port}`;
  return { server, sockets, addresses, statuses, url };
}

/** @returns status, headers and text of the answer; 101 if it is the upgrade */
async function ask(port: number, headers: RequestOptions["headers"] = {}, path = "/") {
  const request = httpRequest({ host: "127.0.0.1", port, path, headers }).end();
  const [response] = (await Promise.race([once(request, "response"), once(request, "upgrade")])) as [IncomingMessage];
  if (response.statusCode === 101) response.socket.destroy();
  let text = "";
  if (response.statusCode !== 101) for await (const chunk of response.setEncoding("utf8")) text += chunk;
  return { status: response.statusCode, headers: response.headers, text };
}

async function join(url: string, token?: string, tlsFingerprint?: string): Promise<WebSocket> {
  const socket = openSocket(url, { token, tlsFingerprint, maxPayload: 1000 });
  await once(socket, "open");
  return socket;
}

async function refusedCode(url: string, token?: string): Promise<string> {
  const [error] = await once(openSocket(url, { token, maxPayload: 1000 }), "error");
  return error.code;
}

test("the right token opens a WebSocket that carries messages in both directions", async () => {
  const { url, sockets, addresses } = await open({ token: "right" });
  const worker = await join(url, "right");
  const socket = at(sockets, 0);
  socket.on("message", (data) => socket.send(data));
  worker.send("hello");
  expect(String((await once(worker, "message"))[0])).toBe("hello");
  expect(addresses).toEqual(["127.0.0.1"]);
});

test("a join with a wrong or missing token gets status 401 over real HTTP", async () => {
  const { server, sockets, statuses } = await open({ token: "right" });
  for (const headers of [{}, { authorization: "Bearer wrong" }, { authorization: "Basic right" }]) {
    const { status, headers: answered, text } = await ask(server.port, { ...UPGRADE, ...headers });
    expect(status).toBe(401);
    expect(answered["www-authenticate"]).toBe("Bearer");
    expect(text).toMatch(/^Expected the token .*\n$/);
  }
  expect(statuses).toEqual([401, 401, 401]);
  expect(sockets).toHaveLength(0);
  expect((await ask(server.port, { ...UPGRADE, authorization: "Bearer right" })).status).toBe(101);
});

test("a page of another site gets no WebSocket, and no page under its own host name", async () => {
  const { server } = await open();
  const own = `http://127.0.0.1:${server.port}`;
  const rebound = `evil.example:${server.port}`;
  expect((await ask(server.port, { ...UPGRADE, origin: "http://evil.example" })).status).toBe(403);
  expect((await ask(server.port, { ...UPGRADE, host: rebound, origin: `http://${rebound}` })).status).toBe(403);
  expect((await ask(server.port, { host: rebound })).status).toBe(403);
  expect((await ask(server.port, { ...UPGRADE, origin: own })).status).toBe(101);
});

test("an established session survives while others are refused, limited, and accepted again after a minute", async () => {
  let nowMs = 0;
  const { url, sockets, statuses } = await open({ token: "right", refusedJoinsPerMinute: 2, nowMs: () => nowMs });
  const worker = await join(url, "right");
  expect(await refusedCode(url, "wrong")).toBe("ERR_TOKEN");
  expect(await refusedCode(url)).toBe("ERR_TOKEN");
  expect(await refusedCode(url, "wrong")).toBe("ERR_LIMITED");
  expect(await refusedCode(url, "right")).toBe("ERR_LIMITED");
  expect(statuses).toEqual([401, 401, 429, 429]);
  at(sockets, 0).send("still here");
  expect(String((await once(worker, "message"))[0])).toBe("still here");
  nowMs = 60_000;
  await join(url, "right");
  expect(sockets).toHaveLength(2);
});

test("a worker can join a full server after another one has left", async () => {
  const { url, sockets } = await open({ maxWorkers: 1 });
  const first = await join(url);
  expect(await refusedCode(url)).toBe("ERR_FULL");
  first.close();
  await once(at(sockets, 0), "close");
  await join(url);
});

test("a message that is too large ends only its own connection", async () => {
  const { url, sockets } = await open();
  const [good, large] = [await join(url), await join(url)];
  large.send(Buffer.alloc(1001));
  expect((await once(large, "close"))[0]).toBe(1009);
  at(sockets, 0).send("still here");
  await once(good, "message");
});

test("a malformed frame ends only its own connection", async () => {
  const { server, url, sockets } = await open();
  const good = await join(url);
  const malformed = httpRequest({ host: "127.0.0.1", port: server.port, headers: UPGRADE }).end();
  const [, link] = (await once(malformed, "upgrade")) as [IncomingMessage, Socket];
  link.resume().write(Buffer.from("b28474657874", "hex")); // two reserved bits are set
  await once(link, "close");
  at(sockets, 0).send("still here");
  expect(String((await once(good, "message"))[0])).toBe("still here");
});

test("a malformed upgrade gets status 400", async () => {
  const { server } = await open();
  expect((await ask(server.port, { ...UPGRADE, "sec-websocket-key": "short" })).status).toBe(400);
  expect((await ask(server.port, { ...UPGRADE, upgrade: "h2c" })).status).toBe(400);
});

test("without pages, / says what is expected; with pages, every known host gets them", async () => {
  const { server } = await open();
  expect(await ask(server.port)).toMatchObject({ status: 426, headers: { upgrade: "websocket" } });
  expect((await ask(server.port, {}, "/metrics")).status).toBe(404);
  const { server: other } = await open({
    token: "right",
    onRequest: ({ url }, response) => response.end(`page ${url}`),
  });
  expect(await ask(other.port, {}, "/metrics")).toMatchObject({ status: 200, text: "page /metrics" });
  expect((await ask(other.port, { host: "evil.example" })).status).toBe(403);
});

test("a port in use is an error if it was given; otherwise the next free one is used", async () => {
  const { server } = await open();
  const taken = { host: "127.0.0.1", port: server.port };
  await expect(open(taken)).rejects.toMatchObject({
    code: "ERR_LISTEN",
    message: expect.stringMatching(/EADDRINUSE.*\. Stop the program that uses the port, or choose another --port/),
  });
  const { server: next } = await open({ ...taken, anyPort: true });
  expect(next.port).toBeGreaterThan(server.port);
  await join(`ws://127.0.0.1:${next.port}`);
});

test("an address of another machine is an error", async () => {
  await expect(open({ host: "192.0.2.254", anyPort: true })).rejects.toMatchObject({
    code: "ERR_LISTEN",
    message: expect.stringMatching(/EADDRNOTAVAIL.*\. This machine does not have that address: choose another --host/),
  });
});

test("a malformed option is refused before the port is opened", async () => {
  await expect(open({ token: "two words" })).rejects.toMatchObject({ code: "ERR_TOKEN" });
  await expect(open({ allowHosts: ["http://a"] })).rejects.toMatchObject({ code: "ERR_OPTION" });
});

/** The kinds of connections, with the certificate of each. */
const KINDS: [string, () => Promise<Certificate | undefined>][] = [
  ["plain", async () => undefined],
  ["TLS", () => selfSigned({ hosts: ["127.0.0.1"] })],
];

test.skipIf(process.platform !== "linux").each(KINDS)(
  "one address that fills its share with %s connections which do not join leaves room for others",
  async (_, certificate) => {
    const tls = await certificate();
    const { server, url } = await open({ maxWorkers: 2, tls });
    let closed = 0;
    const crowd = Array.from({ length: 300 }, () =>
      connect({ port: server.port, host: "127.0.0.1", localAddress: "127.0.0.2" }).on("close", () => closed++),
    );
    for (const socket of crowd) socket.on("error", () => {}).resume();
    await vi.waitFor(() => expect(closed).toBe(300 - 128), 5000);
    await join(url, undefined, tls?.fingerprint);
    for (const socket of crowd) socket.destroy();
  },
);

test.each(KINDS)(
  "one address may have any number of workers on %s connections: they do not count to its share",
  async (_, certificate) => {
    const tls = await certificate();
    const { url, sockets } = await open({ tls });
    for (let i = 0; i < 130; i++) await join(url, undefined, tls?.fingerprint);
    expect(sockets).toHaveLength(130);
  },
);

/** A deadline for a handshake that is far below the default, also when the machine is busy. */
const handshakeMs = 200;

/** Asserts that a server closes a connection because of `handshakeMs`, and not of the default. */
async function assertClosedInTime(connection: Socket): Promise<void> {
  connection.on("error", () => {}).resume();
  const startMs = performance.now();
  await once(connection, "close");
  expect(performance.now() - startMs).toBeLessThan(DEFAULT_LIMITS.handshakeMs / 2);
}

test.each([
  ["nothing", ""],
  ["half an upgrade", "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: webso"],
  ["half a body", "POST / HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nContent-Length: 10\r\n\r\n12345"],
])("a client that sends %s is disconnected after handshakeMs", async (_, sent) => {
  // The page never responds, so that only the missing body can end the connection.
  const { server } = await open({ handshakeMs, onRequest: (request) => request.resume() });
  const client = connect(server.port, "127.0.0.1");
  client.write(sent.replace("PORT", String(server.port)));
  await assertClosedInTime(client);
});

test("a client that sends a byte now and then is disconnected after handshakeMs", async () => {
  const { server } = await open({ handshakeMs });
  const client = connect(server.port, "127.0.0.1");
  const dripping = setInterval(() => client.write("G"), 20);
  onTestFinished(() => clearInterval(dripping));
  await assertClosedInTime(client);
});

test.each([
  ["makes no TLS handshake", (port: number) => connect(port, "127.0.0.1")],
  [
    "sends nothing after its TLS handshake",
    (port: number) => connectSecurely({ port, host: "127.0.0.1", rejectUnauthorized: false }),
  ],
])("a client that %s is disconnected after handshakeMs", async (_, start) => {
  const { server } = await open({ handshakeMs, tls: await selfSigned({ hosts: ["127.0.0.1"] }) });
  await assertClosedInTime(start(server.port));
});

test("closing ends the connections of workers with 1000, and those that do not respond", async () => {
  const { server, url } = await open();
  const worker = await join(url);
  const idle = connect(server.port, "127.0.0.1").resume();
  await once(idle, "connect");
  const silent = connect(server.port, "127.0.0.1");
  const headers = Object.entries({ host: `127.0.0.1:${server.port}`, ...UPGRADE }).map((pair) => pair.join(": "));
  silent.write(["GET / HTTP/1.1", ...headers, "", ""].join("\r\n"));
  await once(silent, "data");
  const ended = [once(worker, "close"), once(idle, "close"), once(silent.resume(), "close")];
  await server.close();
  expect(at(await at(ended, 0), 0)).toBe(1000);
  await Promise.all(ended);
  const again = createServer().listen(server.port, "127.0.0.1");
  await once(again, "listening");
  expect((again.address() as AddressInfo).port).toBe(server.port);
  again.close();
});

test("a response that is still open can be completed when the server closes", async () => {
  const responses: ServerResponse[] = [];
  const { server } = await open({
    onRequest: (_, response) => {
      response.write("one ");
      responses.push(response);
    },
    onClosing: () => {
      for (const response of responses) response.end("two");
    },
  });
  const request = httpRequest({ host: "127.0.0.1", port: server.port }).end();
  const [response] = (await once(request, "response")) as [IncomingMessage];
  await server.close();
  const chunks: string[] = [];
  for await (const chunk of response.setEncoding("utf8")) chunks.push(chunk); // rejects if it is cut off
  expect(chunks.join("")).toBe("one two");
});

test("closing a second time waits for the first", async () => {
  const { server, url } = await open();
  const worker = await join(url);
  const closing = server.close();
  expect(server.close()).toBe(closing);
  expect((await once(worker, "close"))[0]).toBe(1000);
  await closing;
  expect(server.close()).toBe(closing);
});
