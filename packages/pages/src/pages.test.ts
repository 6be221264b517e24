/** Tests the server of pages: content types, security headers and refusals. */
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer, request as httpRequest, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { pathToFileURL } from "node:url";
import { test as base } from "@lockstep/testing";
import { expect } from "vitest";
import { type Content, servePages } from "./pages.ts";

const weights = new Uint8Array(300_000).fill(7); // more than a socket takes at once

/** Tests with `ask`, which sends a request to a server of a few pages. */
const test = base.extend("ask", async ({ folder }, { onCleanup }) => {
  writeFileSync(join(folder, "index.html"), "<!doctype html><title>é</title>");
  writeFileSync(join(folder, "weights.bin"), weights);
  const pages = new Map<string, Content>([
    ["/", { file: pathToFileURL(join(folder, "index.html")) }],
    ["/page.js", "export {}; // é"],
    ["/page.css", ""],
    ["/facts.json", "{}"],
    ["/weights.bin", { file: join(folder, "weights.bin") }],
    ["/gone.bin", { file: join(folder, "gone.bin") }],
  ]);
  const server = createServer(servePages(pages)).listen(0, "127.0.0.1");
  onCleanup(() => void server.close());
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return async (path: string, method = "GET"): Promise<IncomingMessage> => {
    const [response] = await once(httpRequest({ port, path, method, host: "127.0.0.1" }).end(), "response");
    return response;
  };
});

test.for<[path: string, type: string, content: string]>([
  ["/", "text/html; charset=utf-8", "<!doctype html><title>é</title>"],
  ["/?a=b", "text/html; charset=utf-8", "<!doctype html><title>é</title>"],
  ["/page.js", "text/javascript; charset=utf-8", "export {}; // é"],
  ["/page.css", "text/css; charset=utf-8", ""],
  ["/facts.json", "application/json", "{}"],
  ["/weights.bin", "application/octet-stream", Buffer.from(weights).toString()],
])("servePages serves %s as %s", async ([path, type, content], { ask }) => {
  const response = await ask(path);
  expect(response.statusCode).toBe(200);
  expect(response.headers["content-type"]).toBe(type);
  expect(response.headers["content-length"]).toBe(String(Buffer.byteLength(content)));
  expect(await text(response)).toBe(content);
});

test("servePages lets a page load only from its own server, and not be framed", async ({ ask }) => {
  const { headers } = (await ask("/")).resume();
  const policy = String(headers["content-security-policy"]).split("; ");
  expect(policy).toContain("default-src 'none'");
  expect(policy).toContain("frame-ancestors 'none'");
  expect(policy.filter((rule) => /-src /.test(rule) && !/^[a-z]+-src '(self|none)'$/.test(rule))).toEqual([]);
  expect(headers).toMatchObject({ "x-content-type-options": "nosniff", "cache-control": "no-store" });
});

test("servePages responds to HEAD with the headers only", async ({ ask }) => {
  for (const [path, length] of [
    ["/weights.bin", "300000"],
    ["/page.js", "16"],
  ] as const) {
    const response = await ask(path, "HEAD");
    expect(response.headers["content-length"]).toBe(length);
    expect(await text(response)).toBe("");
  }
});

test("servePages responds 404 to other paths, path traversal and missing files", async ({ ask }) => {
  for (const path of ["/index.html", "/../pages.test.ts", "//", "/__proto__", "/gone.bin"]) {
    expect((await ask(path)).resume().statusCode, path).toBe(404);
  }
});

test("servePages refuses POST with 405", async ({ ask }) => {
  const response = (await ask("/", "POST")).resume();
  expect(response.statusCode).toBe(405);
  expect(response.headers.allow).toBe("GET, HEAD");
});
