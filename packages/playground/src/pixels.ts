/** Decodes the pictures that the page sends, so that it sees what `pnpm predict` does. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { decodeImageBytes, MAX_IMAGE_BYTES } from "@lockstep/dataset";
import { LockstepError } from "@lockstep/errors";
import { PAGE_HEADERS } from "@lockstep/pages";
import { concurrencyLimit } from "./concurrency-limit.ts";

/** The most pictures that are in memory at once. Further ones wait unread. */
export const MAX_BUFFERED_BODIES = 8;

/**
 * Returns a listener that answers a POST of a picture's bytes, whose name is the query's `name`, with [height, width, 3]
 * bytes in RGB; or 422 with what was wrong, for people. Pictures are decoded one at a time, so that a few large ones do
 * not fill the memory. They are read meanwhile: the server closes a connection whose request does not come in soon. The
 * listener never throws.
 *
 * @param decode another decoder, for tests
 */
export function pixelsListener(size: { height: number; width: number }, decode = decodeImageBytes) {
  const inMemory = concurrencyLimit(MAX_BUFFERED_BODIES);
  const inDecoder = concurrencyLimit(1);
  return (request: IncomingMessage, response: ServerResponse): void => {
    if (request.method !== "POST") {
      respond(response, 405, "Expected a POST.", { allow: "POST" });
      return;
    }
    inMemory(async () => {
      const name = new URL(request.url!, "http://localhost").searchParams.get("name") ?? "the picture";
      const bytes = await bodyOf(request);
      const pixels = await inDecoder(() => decode(bytes, name, size));
      respond(response, 200, pixels, { "content-type": "application/octet-stream" });
    }).catch((error) => {
      if (error instanceof LockstepError) respond(response, 422, error.message);
      else response.destroy(); // Whoever asked has gone.
    });
  };
}

/** Keeps the first chunks only, until they exceed MAX_IMAGE_BYTES, which is enough for the size check. */
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
