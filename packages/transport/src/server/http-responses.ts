/** The HTTP responses to requests that are refused, and to those that nobody else answers. */
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Refusal } from "../admission/admission.ts";

/** Answers a join that is refused, and ends its connection; the other end has `handshakeMs` to take the answer. */
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
  (connection as Socket).setTimeout(handshakeMs, () => connection.destroy()); // Should it never take the answer.
  connection.once("finish", () => connection.destroy());
  connection.end(lines.join("\r\n"));
}

/** Answers a page that is refused. */
export function refusePage(response: ServerResponse, { status, reason }: Refusal): void {
  respond(response, status, reason, { connection: "close", ...hintHeaders(status) });
}

/** Headers that say what would help. */
function hintHeaders(status: Refusal["status"]): Record<string, string> {
  if (status === 401) return { "WWW-Authenticate": "Bearer" };
  return status === 429 ? { "Retry-After": "60" } : {};
}

/** Answers where there are no pages. */
export function respondWithoutPages(request: IncomingMessage, response: ServerResponse): void {
  if (request.url === "/") respond(response, 426, "Expected a worker's WebSocket.", { upgrade: "websocket" });
  else respond(response, 404, "There is nothing here.");
}

/** Answers a page with one line of text. */
export function respond(
  response: ServerResponse,
  status: number,
  text: string,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { "content-type": "text/plain; charset=utf-8", ...headers }).end(`${text}\n`);
}
