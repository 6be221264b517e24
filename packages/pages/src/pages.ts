/** Serves the pages of a program, with headers that isolate them from other sites. */
import { open } from "node:fs/promises";
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from "node:http";
import { extname } from "node:path";
import { pipeline } from "node:stream/promises";

/** The content of a path: text, or a file that is read for each request. */
export type Content = string | { file: string | URL };

/** Contents by path, such as "/" and "/page.js". The extension determines the content type; "/" is HTML. */
export type Pages = ReadonlyMap<string, Content>;

/** Headers of all pages: a page loads only from its own server, sends no referrer, and cannot be framed by others. */
export const PAGE_HEADERS = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "cache-control": "no-store", // the next run uses the same address
};

const TYPES: Readonly<Record<string, string>> = {
  "": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".svg": "image/svg+xml",
};

/** Returns a request listener that serves `pages`, and responds 404 to other paths. It never throws. */
export function servePages(pages: Pages): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    servePage(pages, request, response).catch(() => {
      // the file does not exist, or the client has disconnected
      if (response.headersSent) response.destroy();
      else refuse(response, 404);
    });
  };
}

async function servePage(pages: Pages, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = (request.url ?? "").replace(/\?.*/, "");
  const content = pages.get(path);
  if (content === undefined) return refuse(response, 404);
  if (request.method !== "GET" && request.method !== "HEAD") return refuse(response, 405, { allow: "GET, HEAD" });
  const type = TYPES[extname(path)] ?? "application/octet-stream";
  const start = (length: number) =>
    response.writeHead(200, { ...PAGE_HEADERS, "content-type": type, "content-length": length });
  if (typeof content === "string") {
    start(Buffer.byteLength(content)).end(request.method === "GET" ? content : undefined);
    return;
  }
  const file = await open(content.file);
  try {
    start((await file.stat()).size);
    if (request.method === "GET") await pipeline(file.createReadStream({ autoClose: false }), response);
    else response.end();
  } finally {
    await file.close();
  }
}

function refuse(response: ServerResponse, status: number, headers: Record<string, string> = {}): void {
  response
    .writeHead(status, { ...PAGE_HEADERS, "content-type": "text/plain", ...headers })
    .end(`${STATUS_CODES[status]}\n`);
}
