import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type Download, download } from "./download.ts";
import { type RecordingProxy, startRecordingProxy } from "./testing/recording-proxy.ts";
import { openTunnel } from "./tunnel.ts";

const ARCHIVE = gzipSync("ten times ten words are a hundred words", { level: 0 });
const endings: (() => unknown)[] = [];
let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "lockstep-outbound-"));
  path = join(folder, "archive");
});
afterEach(async () => {
  vi.unstubAllEnvs();
  for (const end of endings.splice(0)) await end();
  rmSync(folder, { recursive: true });
});

/** The port of a server that answers with `listener` until the test is over. */
async function serving(listener: RequestListener): Promise<number> {
  const server = createServer(listener);
  await once(server.listen(0, "127.0.0.1"), "listening");
  endings.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

async function proxyIs(variable: string, { credentials = "", refuse }: { credentials?: string; refuse?: number } = {}) {
  const proxy: RecordingProxy = await startRecordingProxy(refuse === undefined ? {} : { refuse });
  endings.push(proxy.close);
  vi.stubEnv(variable, `http://${credentials}${proxy.address}`);
  return proxy;
}

/** Downloads what `listener` offers, and gives the error's message if it fails. */
async function from(listener: RequestListener, options: Partial<Download> = {}): Promise<string> {
  const url = `http://127.0.0.1:${await serving(listener)}/archive.tar.gz`;
  return download({ url, path, stallMs: 5000, ...options }).then(
    () => "",
    (error: Error) => error.message,
  );
}
const bytes = ARCHIVE.length;
const whole: RequestListener = (_, response) => response.end(ARCHIVE);

describe("redirects", () => {
  test("are followed, also to a relative address, with the range that is asked for", async () => {
    writeFileSync(path, ARCHIVE.subarray(0, 20));
    const asked: string[] = [];
    const listener: RequestListener = ({ url, headers }, response) => {
      asked.push(`${url} ${headers.range}`);
      if (url === "/archive.tar.gz") return response.writeHead(302, { location: "/mirror/x?signature=1" }).end("moved");
      response.writeHead(206, { "content-range": `bytes 20-${bytes - 1}/${bytes}` }).end(ARCHIVE.subarray(20));
    };
    expect(await from(listener, { bytes })).toBe("");
    expect(asked).toEqual(["/archive.tar.gz bytes=20-", "/mirror/x?signature=1 bytes=20-"]);
    expect(readFileSync(path).equals(ARCHIVE)).toBe(true);
  });

  test("that never end, or lead nowhere, are errors", async () => {
    const round: RequestListener = ({ url }, response) => response.writeHead(302, { location: url }).end();
    expect(await from(round)).toBe("the server redirects more than 10 times");
    const nowhere: RequestListener = (_, response) => response.writeHead(301).end();
    expect(await from(nowhere)).toBe("the server responded with status 301, but without a valid URL to redirect to");
  });
});

describe("the page of a captive portal", () => {
  const page = "<html>Please log in</html>";

  test.each<[string, RequestListener]>([
    ["by its type", (_, response) => response.writeHead(200, { "content-type": "text/html; charset=utf-8" }).end(page)],
    ["by its first byte", (_, response) => response.write(page) && response.end()],
    [
      "after a redirect",
      ({ url }, response) => {
        if (url === "/login") response.setHeader("content-type", "text/html").end(page);
        else response.writeHead(302, { location: "/login" }).end();
      },
    ],
  ])("is recognized %s, and what came before is kept", async (_, listener) => {
    writeFileSync(path, ARCHIVE.subarray(0, 20));
    expect(await from(listener, { bytes })).toMatch(
      /^the response is a web page instead of an archive, perhaps the login page/,
    );
    expect(readFileSync(path).equals(ARCHIVE.subarray(0, 20))).toBe(true);
  });

  test("never becomes the beginning of the archive", async () => {
    expect(await from((_, response) => response.write(page) && response.end(), { bytes })).toMatch(
      /is a web page instead/,
    );
    expect(existsSync(path)).toBe(false);
    writeFileSync(path, page); // as an older version left it
    const ranges: unknown[] = [];
    const listener: RequestListener = ({ headers }, response) => ranges.push(headers.range) && response.end(ARCHIVE);
    expect(await from(listener, { bytes })).toBe("");
    expect(ranges).toEqual([undefined]);
    expect(readFileSync(path).equals(ARCHIVE)).toBe(true);
  });

  test("nor does anything else that is not a gzip archive", async () => {
    expect(await from((_, response) => response.end("PK"))).toBe("the response is not a gzip archive");
    expect(existsSync(path)).toBe(false);
  });
});

test.each<[string, Record<string, string>]>([
  ["begins elsewhere", { "content-range": `bytes 0-${bytes - 1}/${bytes}` }],
  ["is of another file", { "content-range": `bytes 20-${bytes}/${bytes + 1}` }],
  ["has no range", {}],
])("where the rest of the archive %s, the download starts anew", async (_, headers) => {
  writeFileSync(path, ARCHIVE.subarray(0, 20));
  const listener: RequestListener = ({ headers: { range } }, response) =>
    range === undefined ? response.end(ARCHIVE) : response.writeHead(206, headers).end(ARCHIVE);
  expect(await from(listener, { bytes })).toBe("");
  expect(readFileSync(path).equals(ARCHIVE)).toBe(true);
});

test("a download of unknown size has what the server says, and all of it", async () => {
  const progress: number[][] = [];
  expect(await from(whole, { onProgress: (...done) => progress.push(done) })).toBe("");
  expect(progress.at(-1)).toEqual([bytes, bytes]);
  const cut: RequestListener = (_, response) => {
    response.writeHead(200, { "content-length": bytes }).write(ARCHIVE.subarray(0, 9), () => response.destroy());
  };
  expect(await from(cut)).toContain(`after 9 of ${bytes} bytes`);
});

describe("HTTP_PROXY", () => {
  test("is given the whole address, and user and password of its own", async () => {
    const proxy = await proxyIs("HTTP_PROXY", { credentials: "me:p%40ss@" });
    const port = await serving(whole);
    await download({ url: `http://archive.example:${port}/a.gz`, path, stallMs: 5000 });
    expect(proxy.requests).toEqual([{ line: `GET http://archive.example:${port}/a.gz`, user: "me:p@ss" }]);
    expect(readFileSync(path).equals(ARCHIVE)).toBe(true);
  });

  test("may have a password with a bare %, beside sequences that stand for a character", async () => {
    const proxy = await proxyIs("HTTP_PROXY", { credentials: "me:p%ss%40%:@" });
    await download({ url: `http://archive.example:${await serving(whole)}/a.gz`, path, stallMs: 5000 });
    expect(proxy.requests.map(({ user }) => user)).toEqual(["me:p%ss@%:"]);
  });

  test("is not asked for this machine, nor for what NO_PROXY names", async () => {
    const proxy = await proxyIs("HTTP_PROXY");
    expect(await from(whole)).toBe("");
    vi.stubEnv("NO_PROXY", "example");
    await expect(download({ url: "http://archive.example/a.gz", path, stallMs: 5000 })).rejects.toThrow(
      /ENOTFOUND|EAI/,
    );
    expect(proxy.requests).toEqual([]);
  });
});

test.each([
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
] as const)("%s that answers %s with %i says why, and no password", async (variable, scheme, refuse, reason) => {
  await proxyIs(variable, { credentials: "me:secret@", refuse });
  const error = await download({ url: `${scheme}://archive.example:9/a.gz`, path, stallMs: 5000 }).catch((it) => it);
  expect(`${error.code} ${error.message}`).toMatch(reason);
  expect(error.message).not.toContain("secret");
});

test("any status from 200 to 299 opens a tunnel", async () => {
  for (const status of [200, 204, 299]) {
    const server = createServer().on("connect", (_, socket) => socket.end(`HTTP/1.1 ${status} Whatever\r\n\r\nhello`));
    await once(server.listen(0, "127.0.0.1"), "listening");
    endings.push(() => server.close());
    const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const tunnel = await openTunnel({ url, variable: "HTTPS_PROXY" }, { host: "archive.example", port: 9 }, 5000);
    expect(String((await once(tunnel, "data"))[0])).toBe("hello");
    tunnel.destroy();
  }
});

test("a proxy that nobody answers at, or that says nothing, is named", async () => {
  vi.stubEnv("HTTPS_PROXY", "http://me:secret@127.0.0.1:9");
  const url = "https://archive.example/a.gz";
  await expect(download({ url, path, stallMs: 5000 })).rejects.toThrow(
    /^the proxy http:\/\/127.0.0.1:9 \(HTTPS_PROXY\) cannot be reached: connect ECONNREFUSED/,
  );
  const server = createServer().on("connect", () => {});
  await once(server.listen(0, "127.0.0.1"), "listening");
  endings.push(() => server.close());
  server.on("connection", (socket) => endings.push(() => socket.destroy()));
  vi.stubEnv("HTTPS_PROXY", `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  await expect(download({ url, path, stallMs: 50 })).rejects.toThrow(
    /cannot be reached: it did not respond within 0.05 s/,
  );
});
