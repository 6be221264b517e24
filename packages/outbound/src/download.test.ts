/** Downloads through real servers and proxies that redirect, refuse, stall or show a login page. */
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener, type Server } from "node:http";
import type { Socket } from "node:net";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { test as withFolder } from "@lockstep/testing";
import { expect, onTestFinished, vi } from "vitest";
import { type Download, download } from "./download.ts";
import { type RecordingProxy, startRecordingProxy } from "./testing/recording-proxy.ts";
import { openTunnel } from "./tunnel.ts";

const ARCHIVE = gzipSync("ten times ten words are a hundred words", { level: 0 });

/** `path` is that of the downloaded file, which does not exist yet. The variables of proxies are reset afterwards. */
const test = withFolder.extend("path", { auto: true }, ({ folder }, { onCleanup }) => {
  onCleanup(() => void vi.unstubAllEnvs());
  return join(folder, "archive");
});

/** Starts a server that answers with `listener` until the end of the test, and returns its port. */
function serving(listener: RequestListener): Promise<number> {
  return listening(createServer(listener));
}

async function listening(server: Server): Promise<number> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket) => sockets.add(socket));
  await once(server.listen(0, "127.0.0.1"), "listening");
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error(`Expected a port, got ${address}.`);
  return address.port;
}

async function proxyIs(variable: string, { credentials = "", refuse }: { credentials?: string; refuse?: number } = {}) {
  const proxy: RecordingProxy = await startRecordingProxy(refuse === undefined ? {} : { refuse });
  onTestFinished(proxy.close);
  vi.stubEnv(variable, `http://${credentials}${proxy.address}`);
  return proxy;
}

/** Downloads what `listener` offers, and returns the error's message if it fails. */
async function from(listener: RequestListener, path: string, options: Partial<Download> = {}): Promise<string> {
  const url = `http://127.0.0.1:${await serving(listener)}/archive.tar.gz`;
  return download({ url, path, stallMs: 5000, ...options }).then(
    () => "",
    (error: Error) => error.message,
  );
}
const bytes = ARCHIVE.length;
const whole: RequestListener = (_, response) => response.end(ARCHIVE);

test("redirects are followed, also to a relative address, with the requested range", async ({ path }) => {
  writeFileSync(path, ARCHIVE.subarray(0, 20));
  const asked: string[] = [];
  const listener: RequestListener = ({ url, headers }, response) => {
    asked.push(`${url} ${headers.range}`);
    if (url === "/archive.tar.gz") return response.writeHead(302, { location: "/mirror/x?signature=1" }).end("moved");
    response.writeHead(206, { "content-range": `bytes 20-${bytes - 1}/${bytes}` }).end(ARCHIVE.subarray(20));
  };
  expect(await from(listener, path, { bytes })).toBe("");
  expect(asked).toEqual(["/archive.tar.gz bytes=20-", "/mirror/x?signature=1 bytes=20-"]);
  expect(readFileSync(path).equals(ARCHIVE)).toBe(true);
});

test("redirects that never end or lead nowhere are errors", async ({ path }) => {
  const round: RequestListener = ({ url }, response) => response.writeHead(302, { location: url }).end();
  expect(await from(round, path)).toBe("the server redirects more than 10 times");
  const nowhere: RequestListener = (_, response) => response.writeHead(301).end();
  expect(await from(nowhere, path)).toBe(
    "the server responded with status 301, but without a valid URL to redirect to",
  );
});

const page = "<html>Please log in</html>";

test.for<[string, RequestListener]>([
  ["by its type", (_, response) => response.writeHead(200, { "content-type": "text/html; charset=utf-8" }).end(page)],
  ["by its first byte", (_, response) => response.write(page) && response.end()],
  [
    "after a redirect",
    ({ url }, response) => {
      if (url === "/login") response.setHeader("content-type", "text/html").end(page);
      else response.writeHead(302, { location: "/login" }).end();
    },
  ],
])("the page of a captive portal is recognised %s, and earlier bytes are kept", async ([, listener], { path }) => {
  writeFileSync(path, ARCHIVE.subarray(0, 20));
  expect(await from(listener, path, { bytes })).toMatch(
    /^the response is a web page instead of an archive, perhaps the login page/,
  );
  expect(readFileSync(path).equals(ARCHIVE.subarray(0, 20))).toBe(true);
});

test("the page of a captive portal never becomes the start of the archive", async ({ path }) => {
  expect(await from((_, response) => response.write(page) && response.end(), path, { bytes })).toMatch(
    /is a web page instead/,
  );
  expect(existsSync(path)).toBe(false);
  writeFileSync(path, page); // as an older version left it
  const ranges: unknown[] = [];
  const listener: RequestListener = ({ headers }, response) => ranges.push(headers.range) && response.end(ARCHIVE);
  expect(await from(listener, path, { bytes })).toBe("");
  expect(ranges).toEqual([undefined]);
  expect(readFileSync(path).equals(ARCHIVE)).toBe(true);
});

test("a response that is not a gzip archive is not stored", async ({ path }) => {
  expect(await from((_, response) => response.end("PK"), path)).toBe("the response is not a gzip archive");
  expect(existsSync(path)).toBe(false);
});

test.for<[string, Record<string, string>]>([
  ["starts elsewhere", { "content-range": `bytes 0-${bytes - 1}/${bytes}` }],
  ["is of another file", { "content-range": `bytes 20-${bytes}/${bytes + 1}` }],
  ["has no range", {}],
])("a download starts again if the rest of the archive %s", async ([, headers], { path }) => {
  writeFileSync(path, ARCHIVE.subarray(0, 20));
  const listener: RequestListener = ({ headers: { range } }, response) =>
    range === undefined ? response.end(ARCHIVE) : response.writeHead(206, headers).end(ARCHIVE);
  expect(await from(listener, path, { bytes })).toBe("");
  expect(readFileSync(path).equals(ARCHIVE)).toBe(true);
});

test("a download of unknown size has all the bytes that the server announces", async ({ path }) => {
  const progress: number[][] = [];
  expect(await from(whole, path, { onProgress: (...done) => progress.push(done) })).toBe("");
  expect(progress.at(-1)).toEqual([bytes, bytes]);
  const cut: RequestListener = (_, response) => {
    response.writeHead(200, { "content-length": bytes }).write(ARCHIVE.subarray(0, 9), () => response.destroy());
  };
  expect(await from(cut, path)).toContain(`after 9 of ${bytes} bytes`);
});

test("the proxy in HTTP_PROXY receives the whole URL, and its own user and password", async ({ path }) => {
  const proxy = await proxyIs("HTTP_PROXY", { credentials: "me:p%40ss@" });
  const port = await serving(whole);
  await download({ url: `http://archive.example:${port}/a.gz`, path, stallMs: 5000 });
  expect(proxy.requests).toEqual([{ line: `GET http://archive.example:${port}/a.gz`, user: "me:p@ss" }]);
  expect(readFileSync(path).equals(ARCHIVE)).toBe(true);
});

test("the password in HTTP_PROXY may have a bare % beside escape sequences", async ({ path }) => {
  const proxy = await proxyIs("HTTP_PROXY", { credentials: "me:p%ss%40%:@" });
  await download({ url: `http://archive.example:${await serving(whole)}/a.gz`, path, stallMs: 5000 });
  expect(proxy.requests.map(({ user }) => user)).toEqual(["me:p%ss@%:"]);
});

test("the proxy in HTTP_PROXY is not used for this machine, nor for hosts in NO_PROXY", async ({ path }) => {
  const proxy = await proxyIs("HTTP_PROXY");
  expect(await from(whole, path)).toBe("");
  vi.stubEnv("NO_PROXY", "example");
  await expect(download({ url: "http://archive.example/a.gz", path, stallMs: 5000 })).rejects.toThrow(/ENOTFOUND|EAI/);
  expect(proxy.requests).toEqual([]);
});

test.for([
  [
    "HTTP_PROXY",
    "http",
    407,
    /ERR_PROXY .* from the proxy http:\/\/127.0.0.1:\d+ \(HTTP_PROXY\), got 407 .*put your user/,
  ],
  ["HTTPS_PROXY", "https", 407, /ERR_PROXY .* \(HTTPS_PROXY\), got 407 .*put your user and password into HTTPS_PROXY/],
  [
    "HTTPS_PROXY",
    "https",
    403,
    /ERR_PROXY Expected a connection to archive.example:9 .*got 403.*add archive.example to NO_PROXY/,
  ],
  [
    "HTTPS_PROXY",
    "https",
    502,
    /undefined the proxy .* could not reach archive.example:9, and responded 502 Bad Gateway; .*add archive.example to NO_PROXY/,
  ],
] as const)(
  "the error for a proxy in %s that responds to %s with %i gives the reason, and no password",
  async ([variable, scheme, refuse, reason], { path }) => {
    await proxyIs(variable, { credentials: "me:secret@", refuse });
    const error = await download({ url: `${scheme}://archive.example:9/a.gz`, path, stallMs: 5000 }).catch((it) => it);
    expect(`${error.code} ${error.message}`).toMatch(reason);
    expect(error.message).not.toContain("secret");
  },
);

test("any status from 200 to 299 opens a tunnel", async () => {
  for (const status of [200, 204, 299]) {
    const server = createServer().on("connect", (_, socket) => socket.end(`HTTP/1.1 ${status} Whatever\r\n\r\nhello`));
    const url = new URL(`http://127.0.0.1:${await listening(server)}`);
    const tunnel = await openTunnel({ url, variable: "HTTPS_PROXY" }, { host: "archive.example", port: 9 }, 5000);
    expect(String((await once(tunnel, "data"))[0])).toBe("hello");
    tunnel.destroy();
  }
});

test("the error for a proxy that cannot be reached or does not respond names it", async ({ path }) => {
  vi.stubEnv("HTTPS_PROXY", "http://me:secret@127.0.0.1:9");
  const url = "https://archive.example/a.gz";
  await expect(download({ url, path, stallMs: 5000 })).rejects.toThrow(
    /^the proxy http:\/\/127.0.0.1:9 \(HTTPS_PROXY\) cannot be reached: connect ECONNREFUSED/,
  );
  const silent = await listening(createServer().on("connect", () => {}));
  vi.stubEnv("HTTPS_PROXY", `http://127.0.0.1:${silent}`);
  await expect(download({ url, path, stallMs: 50 })).rejects.toThrow(
    /cannot be reached: it did not respond within 0.05 s/,
  );
});
