/** HTTP responses to refused requests, and to requests without another handler. */
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Refusal } from "../admission/admission.ts";

/** Refuses a join and closes its connection. The remote end has `handshakeMs` to read the response. */
export function refuseUpgrade(connection: Duplex, { status, reason }: Refusal, handshakeMs: number): void {
  const lines = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    "Connection: close",
    "Content-Type: text/plain; charset=utf-8",
    `Content-Length: ${Buffer.byteLength(reason) + 1}`,
    ...Object.entries(hintHeaders(status)).map(([name, value]) => `${name}: ${value}`),
    "",
    `${reason}\n`,
  ];
  connection.on("error", () => connection.destroy());
  // The client may never read the response.
  (connection as Socket).setTimeout(handshakeMs, () => connection.destroy());
  connection.once("finish", () => connection.destroy());
  connection.end(lines.join("\r\n"));
}

/** Refuses a request for a page. */
export function refusePage(response: ServerResponse, { status, reason }: Refusal): void {
  respond(response, status, reason, { connection: "close", ...hintHeaders(status) });
}

/** Returns headers that tell the client how to continue. */
function hintHeaders(status: Refusal["status"]): Record<string, string> {
  if (status === 401) return { "WWW-Authenticate": "Bearer" };
  return status === 429 ? { "Retry-After": "60" } : {};
}

/** Responds to a request on a server without pages. */
export function respondWithoutPages(request: IncomingMessage, response: ServerResponse): void {
  if (request.url === "/") respond(response, 426, "Expected a worker's WebSocket.", { upgrade: "websocket" });
  else respond(response, 404, "Not found.");
}

/** Responds with one line of text. */
export function respond(
  response: ServerResponse,
  status: number,
  text: string,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { "content-type": "text/plain; charset=utf-8", ...headers }).end(`${text}\n`);
}
