/** Decodes the pictures that the page sends, with the decoder of `pnpm predict`. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { decodeImageBytes, MAX_IMAGE_BYTES } from "@lockstep/dataset";
import { LockstepError } from "@lockstep/errors";
import { PAGE_HEADERS } from "@lockstep/pages";
import { concurrencyLimit } from "./concurrency-limit.ts";

/** Maximum number of request bodies in memory. Further requests wait unread. */
export const MAX_BUFFERED_BODIES = 8;

/**
 * Returns a request listener that decodes pictures. It answers a POST of a picture, whose file name is the query's
 * `name`, with [height, width, 3] bytes in RGB, or with 422 and an error message for people. Pictures are decoded one
 * at a time, so that a few large ones do not fill the memory. Meanwhile further bodies are read, since the server
 * closes connections whose request is incomplete for long. The listener never throws.
 *
 * @param decode decoder to use, for tests
 */
export function pixelsListener(size: { height: number; width: number }, decode = decodeImageBytes) {
  const inMemory = concurrencyLimit(MAX_BUFFERED_BODIES);
  const inDecoder = concurrencyLimit(1);
  return (request: IncomingMessage, response: ServerResponse): void => {
    if (request.method !== "POST") {
      respond(response, 405, "Expected the method POST.", { allow: "POST" });
      return;
    }
    inMemory(async () => {
      const name = new URL(request.url ?? "/", "http://localhost").searchParams.get("name") ?? "the picture";
      const bytes = await bodyOf(request);
      const pixels = await inDecoder(() => decode(bytes, name, size));
      respond(response, 200, pixels, { "content-type": "application/octet-stream" });
    }).catch((error) => {
      if (error instanceof LockstepError) respond(response, 422, error.message);
      else response.destroy(); // The client has disconnected.
    });
  };
}

/** Reads a request body. Keeps only the chunks up to MAX_IMAGE_BYTES and the one beyond, for the size check to fail. */
async function bodyOf(request: IncomingMessage): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    if (bytes <= MAX_IMAGE_BYTES) chunks.push(chunk);
    bytes += (chunk as Buffer).length;
  }
  return Buffer.concat(chunks);
}

function respond(
  response: ServerResponse,
  status: number,
  content: string | Uint8Array,
  headers: Record<string, string> = {},
): void {
  const type = { "content-type": "text/plain; charset=utf-8", "content-length": Buffer.byteLength(content) };
  response.writeHead(status, { ...PAGE_HEADERS, ...type, ...headers }).end(content);
}
