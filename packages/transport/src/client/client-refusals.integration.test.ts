/** Sockets of workers that are refused, or that cannot open. */
import { createServer as createHttpServer, type RequestListener } from "node:http";
import { createServer } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { selfSigned } from "../credentials/certificate.ts";
import { openServer } from "../server/server.ts";
import { failure, listening, secureServer, TOKEN } from "../testing/client-peers.ts";
import { openSocket, type SocketOptions } from "./client.ts";
import { explainFailedJoin } from "./refusal.ts";

async function answering(onRequest: RequestListener): Promise<string> {
  const server = createHttpServer(onRequest);
  server.on("upgrade", (request, socket) => {
    socket.on("error", () => {});
    server.emit("request", request, { end: (text: string) => socket.end(text) });
  });
  return `ws://127.0.0.1:${await listening(server)}`;
}
const plain = (status: number, body: string) => `HTTP/1.1 ${status} Whatever\r\nConnection: close\r\n\r\n${body}`;

test.each([
  [401, "ERR_TOKEN", /refused this worker: Because\. Set LOCKSTEP_TOKEN /],
  [403, "ERR_REFUSED", /refused this worker: Because\.$/],
  [429, "ERR_LIMITED", /refused this worker: Because\.$/],
  [503, "ERR_FULL", /refused this worker: Because\.$/],
  [404, "ERR_CONNECT", /got HTTP status 404\. Check the address/],
  [301, "ERR_CONNECT", /got HTTP status 301\. Check the address/],
  [200, "ERR_CONNECT", /got HTTP status 200\. Check the address/],
])("a response with status %i becomes %s", async (status, code, message) => {
  const url = await answering((_, response) => response.end(plain(status, "Because.\nAnd more.")));
  expect(await failure(url)).toMatchObject({ name: "LockstepError", code, message: expect.stringMatching(message) });
});

test("a hostile response is shortened, its control characters are removed, and the token in it is not printed", async () => {
  const url = await answering(({ headers }, response) =>
    response.end(plain(403, `\x1b[2J${headers.authorization}${"a".repeat(1_000_000)}`)),
  );
  const { message } = await failure(url);
  expect(message).toMatch(/refused this worker: \[2JBearer …a+$/);
  expect(message.length).toBeLessThan(400);
});

test("a response that never ends is abandoned", async () => {
  const port = await listening(createServer((socket) => socket.write("HTTP/1.1 403 No\r\n\r\nBecau")));
  await failure(`ws://127.0.0.1:${port}`, { handshakeMs: 100 });
});

/** Opens a socket with the token. */
const opened = (url: string, options: Partial<SocketOptions> = {}) =>
  openSocket(url, { token: TOKEN, maxPayload: 1000, ...options });
/** An error that does not repeat the token. */
const secretError = (code: string) =>
  expect.objectContaining({ name: "LockstepError", code, message: expect.not.stringContaining(TOKEN) });

test.each(["ws://192.0.2.1:7077", "ws://train.example.org", "ws://127.evil.example", "ws://[fd00::7]:7077"])(
  "the token stays off the network to %s, unless that is allowed",
  async (url) => {
    expect(() => opened(url)).toThrow(secretError("ERR_INSECURE"));
    for (const options of [{ insecure: true }, { token: undefined }]) {
      const socket = opened(url, options);
      socket.on("error", () => {});
      socket.terminate();
      await new Promise((resolve) => socket.once("close", resolve));
    }
  },
);

test("a token needs no TLS on this machine", async () => {
  for (const url of ["ws://127.0.0.1:9", "ws://127.1.2.3:9", "ws://localhost:9", "ws://[::1]:9"]) await failure(url);
});

test("a fingerprint without TLS and an invalid fingerprint are refused", () => {
  const tlsFingerprint = "AB".repeat(32);
  expect(() => opened("ws://127.0.0.1:9", { tlsFingerprint })).toThrow(secretError("ERR_INSECURE"));
  expect(() => opened("wss://127.0.0.1:9", { tlsFingerprint: "AB:CD" })).toThrow(secretError("ERR_OPTION"));
});

test("a malformed token or URL is refused, and the error repeats no secret in it", () => {
  expect(() => opened("ws://127.0.0.1:9", { token: `${TOKEN}\r\nHost: a` })).toThrow(secretError("ERR_TOKEN"));
  for (const url of [
    "",
    "127.0.0.1:9",
    `http://user:${TOKEN}@a`,
    `http://a/?token=${TOKEN}`,
    `ws://a/#${TOKEN}`,
    `ws://${TOKEN}@a`,
  ]) {
    expect(() => opened(url)).toThrow(secretError("ERR_OPTION"));
  }
});

test("the error for a malformed URL gives an example", () => {
  expect(() => opened("foo")).toThrow(
    'Expected --coordinator to be ws://HOST:PORT or wss://HOST:PORT, got "foo". Give for example --coordinator ws://192.0.2.7:7077.',
  );
});

async function explained(url: string): Promise<string> {
  const { code, message } = explainFailedJoin(await failure(url, { tlsFingerprint: undefined }), url);
  expect(code).toBe("ERR_CONNECT");
  return message;
}

test("the error for a port without a listener says that no coordinator responds", async () => {
  expect(await explained("ws://127.0.0.1:9/")).toMatch(
    /^No coordinator responds at ws:\/\/127\.0\.0\.1:9 \(.*ECONNREFUSED/,
  );
  expect(await explained("wss://127.0.0.1:9")).toMatch(
    /^No coordinator responds at wss:\/\/127\.0\.0\.1:9 \(.*ECONNREFUSED/,
  );
});

test("the error for missing or unexpected TLS says which of the two it is", async () => {
  const plain = await openServer({
    host: "127.0.0.1",
    port: 0,
    anyPort: false,
    maxPayload: 1000,
    onSocket: () => {},
  });
  onTestFinished(() => plain.close());
  expect(await explained(`wss://127.0.0.1:${plain.port}`)).toMatch(/^Expected TLS at .*, got another protocol\. .*ws:/);
  const securePort = await secureServer(await selfSigned({ hosts: ["127.0.0.1"] }));
  const message = await explained(`ws://127.0.0.1:${securePort}`);
  expect(message).toMatch(/closed without a response\. If it uses TLS, join with the complete command/);
});

test("the reasons that the coordinator sends are passed on unchanged", async () => {
  const port = await secureServer(await selfSigned({ hosts: ["127.0.0.1"] }));
  const error = await failure(`wss://127.0.0.1:${port}`);
  expect(explainFailedJoin(error, `wss://127.0.0.1:${port}`)).toBe(error);
});
