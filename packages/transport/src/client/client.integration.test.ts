import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer as createHttpServer, type RequestListener } from "node:http";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer as createSecureServer } from "node:tls";
import { fileURLToPath } from "node:url";
import { at } from "@lockstep/errors";
import { startRecordingProxy } from "@lockstep/outbound/testing";
import { spawnForTest } from "@lockstep/testing";
import { afterEach, describe, expect, test, vi } from "vitest";
import { WebSocketServer } from "ws";
import { type Certificate, selfSigned } from "../credentials/certificate.ts";
import { openServer } from "../server/server.ts";
import { openSocket, type SocketOptions } from "./client.ts";
import { explainFailedJoin } from "./refusal.ts";
import { connectSecurely } from "./secure-connection.ts";

const TOKEN = "the-secret-token";
const endings: (() => unknown)[] = [];

afterEach(async () => {
  for (const end of endings.splice(0)) await end();
});

/** Listens on a free port until the test is over. */
async function listening(server: Server): Promise<number> {
  await once(server.listen(0, "127.0.0.1"), "listening");
  const connections = new Set<Socket>();
  server.on("connection", (connection: Socket) => connections.add(connection));
  endings.push(async () => {
    for (const connection of connections) connection.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return (server.address() as AddressInfo).port;
}

/** A coordinator with TLS that greets those who have the token. */
async function secureServer(tls: Certificate, { allowHosts = [] }: { allowHosts?: string[] } = {}): Promise<number> {
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
  endings.push(() => server.close());
  return server.port;
}

/** A TLS server that notes all that is said to it. */
async function eavesdropper(tls: Certificate) {
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

/** The one error of a socket that does not open, after which it closes. */
async function failure(url: string, options: Partial<SocketOptions> = {}) {
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

async function greeting(url: string, tlsFingerprint: string): Promise<string> {
  const socket = openSocket(url, { token: TOKEN, tlsFingerprint, maxPayload: 1000 });
  const [data] = await once(socket, "message");
  socket.close();
  return String(data);
}

describe("with TLS", () => {
  test("a certificate that signed itself is taken by its fingerprint, in any spelling, for any name", async () => {
    const tls = await selfSigned({ hosts: ["elsewhere.example"] });
    const port = await secureServer(tls);
    const plain = tls.fingerprint.replaceAll(":", "").toLowerCase();
    expect(await greeting(`wss://127.0.0.1:${port}`, tls.fingerprint)).toBe("welcome");
    expect(await greeting(`wss://localhost:${port}`, plain)).toBe("welcome");
    const refused = await failure(`wss://127.0.0.1:${port}`, { token: "wrong", tlsFingerprint: plain });
    expect(refused.code).toBe("ERR_TOKEN");
  });

  test("somebody with another certificate gets not one byte of the request", async () => {
    const [ours, theirs] = [await selfSigned({ hosts: ["127.0.0.1"] }), await selfSigned({ hosts: ["127.0.0.1"] })];
    const { url, heard } = await eavesdropper(theirs);
    const pinned = await failure(url, { tlsFingerprint: ours.fingerprint });
    expect(pinned.code).toBe("ERR_CERTIFICATE");
    expect(pinned.message).toContain(ours.fingerprint);
    expect(pinned.message).toContain(theirs.fingerprint);
    expect(await heard()).toBe("");
    const unpinned = await failure(url);
    expect(unpinned.code).toBe("ERR_CERTIFICATE");
    expect(unpinned.message).toMatch(
      /self-signed certificate.*the complete command that it printed: .*--tls-fingerprint/,
    );
    expect(await heard()).toBe("");
    await failure(url, { tlsFingerprint: theirs.fingerprint });
    expect(await heard()).toContain(`Bearer ${TOKEN}`); // It would have heard the token.
  });

  test("without a pin, a known authority must vouch for the very name", async () => {
    const tls = await selfSigned({ hosts: ["127.0.0.1"] });
    const port = await secureServer(tls);
    const folder = await mkdtemp(join(tmpdir(), "lockstep-client-"));
    endings.push(() => rm(folder, { recursive: true }));
    await writeFile(join(folder, "ca.pem"), tls.cert);
    const program = `
      import { openSocket } from ${JSON.stringify(import.meta.resolve("./client.ts"))};
      for (const host of ["127.0.0.1", "localhost"]) {
        const socket = openSocket("wss://" + host + ":${port}", { token: "${TOKEN}", maxPayload: 1000 });
        socket.on("message", () => { console.log(host, "welcome"); socket.close(); });
        socket.on("error", ({ code, message }) => console.log(host, code, message));
        await new Promise((resolve) => socket.on("close", resolve));
      }
    `;
    const words = ["--import", "tsx", "--conditions=lockstep-source", "--input-type=module", "--eval", program];
    const child = spawnForTest([process.execPath, ...words], {
      cwd: fileURLToPath(new URL("../../../..", import.meta.url)),
      env: { NODE_EXTRA_CA_CERTS: join(folder, "ca.pem") },
    });
    let text = "";
    child.stdout.on("data", (chunk) => {
      text += chunk;
    });
    await once(child, "close");
    expect(text).toMatch(/^127\.0\.0\.1 welcome\nlocalhost ERR_CERTIFICATE .*altnames.*\n$/);
  });

  test.each<[string, (socket: Socket) => unknown]>([
    ["nobody speaks", () => {}],
    ["somebody hangs up", (socket) => socket.end()],
    ["somebody speaks something else", (socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n")],
  ])("where %s, the socket closes with an error of the network", async (_, onConnection) => {
    const port = await listening(createServer((socket) => onConnection(socket.on("error", () => {}))));
    expect(await failure(`wss://127.0.0.1:${port}`, { handshakeMs: 100 })).not.toMatchObject({ name: "LockstepError" });
  });

  test("a socket that is given up while it connects closes, and opens no more", async () => {
    const tls = await selfSigned({ hosts: ["127.0.0.1"] });
    const { server, url, heard } = await eavesdropper(tls);
    const arrival = once(server, "connection");
    const socket = openSocket(url, { token: TOKEN, tlsFingerprint: tls.fingerprint, maxPayload: 1000 });
    socket.on("error", () => {});
    socket.terminate();
    await new Promise((resolve) => socket.once("close", resolve));
    await arrival;
    expect(await heard()).toBe("");
  });
});

describe("through the proxy of the environment", () => {
  async function proxyIs(variable: string, options?: { refuse: number }) {
    const proxy = await startRecordingProxy(options);
    vi.stubEnv(variable, `http://me:password@${proxy.address}`);
    endings.push(proxy.close, () => void vi.unstubAllEnvs());
    return proxy;
  }

  test("a worker joins by wss, and the fingerprint is still checked", async () => {
    const [tls, other] = [await selfSigned({ hosts: ["a.example"] }), await selfSigned({ hosts: ["a.example"] })];
    const proxy = await proxyIs("HTTPS_PROXY");
    const port = await secureServer(tls, { allowHosts: ["a.example"] });
    expect(await greeting(`wss://a.example:${port}`, tls.fingerprint)).toBe("welcome");
    const { url, heard } = await eavesdropper(other);
    const { code } = await failure(url.replace("127.0.0.1", "a.example"), { tlsFingerprint: tls.fingerprint });
    expect(code).toBe("ERR_CERTIFICATE");
    expect(await heard()).toBe("");
    expect(proxy.requests).toEqual([
      { line: `CONNECT a.example:${port}`, user: "me:password" },
      { line: `CONNECT ${new URL(url.replace("127.0.0.1", "a.example")).host}`, user: "me:password" },
    ]);
  });

  test("a worker joins by ws, but not one of this machine or one that NO_PROXY names", async () => {
    const proxy = await proxyIs("HTTP_PROXY");
    const where = { host: "127.0.0.1", port: 0, anyPort: false, maxPayload: 1000, allowHosts: ["a.example"] };
    const server = await openServer({ ...where, onSocket: (socket) => socket.send("welcome") });
    endings.push(() => server.close());
    const { port } = server;
    const greetingAt = async (host: string) => {
      const socket = openSocket(`ws://${host}:${port}`, { maxPayload: 1000 });
      const [data] = await once(socket, "message");
      socket.close();
      return String(data);
    };
    expect(await greetingAt("a.example")).toBe("welcome");
    expect(await greetingAt("127.0.0.1")).toBe("welcome");
    expect(proxy.requests).toEqual([{ line: `CONNECT a.example:${port}`, user: "me:password" }]);
    vi.stubEnv("NO_PROXY", "example");
    expect((await failure(`ws://a.example:${port}`, { token: undefined })).code).toMatch(/ENOTFOUND|EAI_AGAIN/);
    expect(proxy.requests).toHaveLength(1);
  });

  test("that refuses, the worker is told of the proxy and not of its password", async () => {
    await proxyIs("HTTP_PROXY", { refuse: 403 });
    const refused = await failure("ws://192.0.2.7:7077", { token: undefined });
    expect(refused).toMatchObject({
      code: "ERR_PROXY",
      message: expect.stringMatching(/add 192\.0\.2\.7 to NO_PROXY/),
    });
    expect(refused.message).not.toContain("password");
  });

  test("that does not reach the coordinator, it may come again", async () => {
    await proxyIs("HTTPS_PROXY", { refuse: 503 });
    const url = "wss://a.example:7077";
    expect(explainFailedJoin(await failure(url), url)).toMatchObject({
      code: "ERR_CONNECT",
      message: expect.stringMatching(/could not reach a.example:7077, and responded 503/),
    });
  });

  test("the tunnel and the TLS handshake share one deadline", async () => {
    const port = await listening(createServer((socket) => void socket.on("error", () => {})));
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    endings.push(() => void vi.useRealTimers());
    const tunnel = async () => {
      vi.advanceTimersByTime(800);
      return connect(port, "127.0.0.1");
    };
    const connection = connectSecurely({ host: "a.example", port, pin: undefined, handshakeMs: 1000, tunnel });
    const given = expect(connection).rejects.toThrow("no TLS handshake within 1000 ms");
    await vi.advanceTimersByTimeAsync(200);
    expect(vi.getTimerCount()).toBe(0);
    await given;
  });

  test("that is no HTTP proxy, nothing is tried", () => {
    vi.stubEnv("HTTPS_PROXY", "socks5://127.0.0.1:1080");
    endings.push(() => void vi.unstubAllEnvs());
    expect(() => openSocket("wss://a.example", { maxPayload: 1000 })).toThrow(
      expect.objectContaining({ code: "ERR_PROXY" }),
    );
  });
});

test("frames have the mask bit, as they must, and a key of zeros: their bytes are those of the message", async () => {
  const server = createHttpServer();
  const webSockets = new WebSocketServer({ server });
  const raw: Buffer[] = [];
  server.on("upgrade", (_, connection) => connection.on("data", (data) => raw.push(data)));
  const messages = [9, 300, 70_000].map((bytes) => Buffer.from(Array.from({ length: bytes }, (_, i) => 1 + (i % 251))));
  const heard: unknown[] = [];
  const all = new Promise<void>((resolve) => {
    webSockets.on("connection", (other) => {
      other.on("message", (data) => heard.push(data) === messages.length && resolve());
    });
  });
  const socket = openSocket(`ws://127.0.0.1:${await listening(server)}`, { maxPayload: 1000 });
  await once(socket, "open");
  for (const message of messages) socket.send(message);
  await all;
  expect(heard).toEqual(messages);
  // RFC 6455, section 5.2: the last frame and binary; mask bit and length, in two or eight more bytes; the key.
  const heads = ["8289", "82fe012c", "82ff0000000000011170"].map((hex) => Buffer.from(`${hex}00000000`, "hex"));
  const expected = Buffer.concat(messages.flatMap((message, i) => [at(heads, i), message]));
  expect(Buffer.concat(raw).equals(expected)).toBe(true);
});

describe("an answer that is no WebSocket", () => {
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
  ])("%i becomes %s", async (status, code, message) => {
    const url = await answering((_, response) => response.end(plain(status, "Because.\nAnd more.")));
    expect(await failure(url)).toMatchObject({ name: "LockstepError", code, message: expect.stringMatching(message) });
  });

  test("that is hostile is cut, cleaned, and does not bring the token to the screen", async () => {
    const url = await answering(({ headers }, response) =>
      response.end(plain(403, `\x1b[2J${headers.authorization}${"a".repeat(1_000_000)}`)),
    );
    const { message } = await failure(url);
    expect(message).toMatch(/refused this worker: \[2JBearer …a+$/);
    expect(message.length).toBeLessThan(400);
  });

  test("that never ends is given up", async () => {
    const port = await listening(createServer((socket) => socket.write("HTTP/1.1 403 No\r\n\r\nBecau")));
    await failure(`ws://127.0.0.1:${port}`, { handshakeMs: 100 });
  });
});

describe("before anything is sent", () => {
  const at = (url: string, options: Partial<SocketOptions> = {}) =>
    openSocket(url, { token: TOKEN, maxPayload: 1000, ...options });
  const error = (code: string) =>
    expect.objectContaining({ name: "LockstepError", code, message: expect.not.stringContaining(TOKEN) });

  test.each(["ws://192.0.2.1:7077", "ws://train.example.org", "ws://127.evil.example", "ws://[fd00::7]:7077"])(
    "the token stays off the network to %s, unless that is allowed",
    async (url) => {
      expect(() => at(url)).toThrow(error("ERR_INSECURE"));
      for (const options of [{ insecure: true }, { token: undefined }]) {
        const socket = at(url, options);
        socket.on("error", () => {});
        socket.terminate();
        await new Promise((resolve) => socket.once("close", resolve));
      }
    },
  );

  test("this machine needs no TLS", async () => {
    for (const url of ["ws://127.0.0.1:9", "ws://127.1.2.3:9", "ws://localhost:9", "ws://[::1]:9"]) await failure(url);
  });

  test("a fingerprint with no TLS, or that is none, is refused", () => {
    const tlsFingerprint = "AB".repeat(32);
    expect(() => at("ws://127.0.0.1:9", { tlsFingerprint })).toThrow(error("ERR_INSECURE"));
    expect(() => at("wss://127.0.0.1:9", { tlsFingerprint: "AB:CD" })).toThrow(error("ERR_OPTION"));
  });

  test("a malformed token or url is refused, and no secret in it repeated", () => {
    expect(() => at("ws://127.0.0.1:9", { token: `${TOKEN}\r\nHost: a` })).toThrow(error("ERR_TOKEN"));
    for (const url of [
      "",
      "127.0.0.1:9",
      `http://user:${TOKEN}@a`,
      `http://a/?token=${TOKEN}`,
      `ws://a/#${TOKEN}`,
      `ws://${TOKEN}@a`,
    ]) {
      expect(() => at(url)).toThrow(error("ERR_OPTION"));
    }
  });
});

describe("why nobody answered is told in words", () => {
  async function explained(url: string): Promise<string> {
    const { code, message } = explainFailedJoin(await failure(url, { tlsFingerprint: undefined }), url);
    expect(code).toBe("ERR_CONNECT");
    return message;
  }

  test("where nobody listens", async () => {
    expect(await explained("ws://127.0.0.1:9/")).toMatch(
      /^No coordinator responds at ws:\/\/127\.0\.0\.1:9 \(.*ECONNREFUSED/,
    );
    expect(await explained("wss://127.0.0.1:9")).toMatch(
      /^No coordinator responds at wss:\/\/127\.0\.0\.1:9 \(.*ECONNREFUSED/,
    );
  });

  test("where TLS was expected and there is none, and the other way round", async () => {
    const plain = await openServer({
      host: "127.0.0.1",
      port: 0,
      anyPort: false,
      maxPayload: 1000,
      onSocket: () => {},
    });
    endings.push(() => plain.close());
    expect(await explained(`wss://127.0.0.1:${plain.port}`)).toMatch(
      /^Expected TLS at .*, got another protocol\. .*ws:/,
    );
    const securePort = await secureServer(await selfSigned({ hosts: ["127.0.0.1"] }));
    const message = await explained(`ws://127.0.0.1:${securePort}`);
    expect(message).toMatch(/closed without a response\. If it uses TLS, join with the complete command/);
  });

  test("and the coordinator's own reasons stay as they are", async () => {
    const port = await secureServer(await selfSigned({ hosts: ["127.0.0.1"] }));
    const error = await failure(`wss://127.0.0.1:${port}`);
    expect(explainFailedJoin(error, `wss://127.0.0.1:${port}`)).toBe(error);
  });
});
