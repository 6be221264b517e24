/** Sockets of workers through the proxy of the environment. */
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { startRecordingProxy } from "@lockstep/outbound/testing";
import { expect, onTestFinished, test, vi } from "vitest";
import { selfSigned } from "../credentials/certificate.ts";
import { openServer } from "../server/server.ts";
import { eavesdropper, failure, greeting, listening, secureServer } from "../testing/client-peers.ts";
import { openSocket } from "./client.ts";
import { explainFailedJoin } from "./refusal.ts";
import { connectSecurely } from "./secure-connection.ts";

async function proxyIs(variable: string, options?: { refuse: number }) {
  const proxy = await startRecordingProxy(options);
  vi.stubEnv(variable, `http://me:password@${proxy.address}`);
  onTestFinished(proxy.close);
  onTestFinished(() => void vi.unstubAllEnvs());
  return proxy;
}

test("a worker joins through a proxy by wss, and the fingerprint is still checked", async () => {
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

test("a worker joins through a proxy by ws, unless the coordinator is on this machine or in NO_PROXY", async () => {
  const proxy = await proxyIs("HTTP_PROXY");
  const where = { host: "127.0.0.1", port: 0, anyPort: false, maxPayload: 1000, allowHosts: ["a.example"] };
  const server = await openServer({ ...where, onSocket: (socket) => socket.send("welcome") });
  onTestFinished(() => server.close());
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

test("the error for a proxy that refuses a worker names the proxy without its password", async () => {
  await proxyIs("HTTP_PROXY", { refuse: 403 });
  const refused = await failure("ws://192.0.2.7:7077", { token: undefined });
  expect(refused).toMatchObject({
    code: "ERR_PROXY",
    message: expect.stringMatching(/add 192\.0\.2\.7 to NO_PROXY/),
  });
  expect(refused.message).not.toContain("password");
});

test("a worker whose proxy does not reach the coordinator may retry", async () => {
  await proxyIs("HTTPS_PROXY", { refuse: 503 });
  const url = "wss://a.example:7077";
  expect(explainFailedJoin(await failure(url), url)).toMatchObject({
    code: "ERR_CONNECT",
    message: expect.stringMatching(/could not reach a.example:7077, and responded 503/),
  });
});

test("a tunnel and its TLS handshake share one deadline", async () => {
  const port = await listening(createServer((socket) => void socket.on("error", () => {})));
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  onTestFinished(() => void vi.useRealTimers());
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

test("a proxy of another kind than HTTP is refused before a connection is opened", () => {
  vi.stubEnv("HTTPS_PROXY", "socks5://127.0.0.1:1080");
  onTestFinished(() => void vi.unstubAllEnvs());
  expect(() => openSocket("wss://a.example", { maxPayload: 1000 })).toThrow(
    expect.objectContaining({ code: "ERR_PROXY" }),
  );
});
