/** Downloads a large gzip archive over HTTP, and resumes interrupted downloads. */

import { open, rm } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { codeOf } from "@lockstep/errors";
import { getFollowingRedirects } from "./get.ts";

/** A file to download, and its destination. */
export interface Download {
  url: string;
  /** Destination file. If `bytes` is known, the download resumes after the bytes that the file already contains. */
  path: string;
  /** Expected size of the complete file. @default the size that the server reports; the download then cannot resume */
  bytes?: number | undefined;
  /** Milliseconds to wait for a response, and then for the next bytes. */
  stallMs: number;
  onProgress?: ((doneBytes: number, totalBytes: number) => void) | undefined;
  /** Trusted certificates, in PEM format. @default those of known authorities */
  ca?: string | undefined;
}

/** The first two bytes of every gzip archive (RFC 1952). */
const GZIP = Buffer.from([0x1f, 0x8b]);

/**
 * Downloads the file to `path`. After an error, the bytes received so far remain, and the next call requests the rest
 * (RFC 9110, section 14), or the complete file if the server does not support ranges. Only a gzip archive is stored.
 *
 * @throws LockstepError ERR_PROXY if a proxy refuses
 * @throws Error with the reason if the download fails otherwise
 */
export async function download(options: Download): Promise<void> {
  const haveBytes = await usableBytes(options);
  if (haveBytes === options.bytes) return;
  const { response, start } = await contentFrom(haveBytes, options);
  try {
    await save(response, start, options);
  } finally {
    response.destroy();
  }
}

/** Returns the reason of an error. If Node tried several addresses of a host, its error has only a code. */
export function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  return cause.message || String(codeOf(cause));
}

/** Returns the number of bytes from which to resume. Deletes a file that is not the start of the archive. */
async function usableBytes({ path, bytes }: Download): Promise<number> {
  const file = await open(path).catch(() => undefined);
  if (file === undefined) return 0;
  try {
    const { size } = await file.stat();
    const { buffer } = await file.read(Buffer.alloc(GZIP.length), 0, GZIP.length, 0);
    if (bytes !== undefined && size <= bytes && buffer.equals(GZIP)) return size;
  } finally {
    await file.close();
  }
  await rm(path);
  return 0;
}

/** Requests the bytes from `start`, or the complete file if the server does not support ranges. */
async function contentFrom(start: number, options: Download): Promise<{ response: IncomingMessage; start: number }> {
  const { url, bytes, ...request } = options;
  const response = await getFollowingRedirects(url, {
    ...request,
    headers: start > 0 ? { range: `bytes=${start}-` } : {},
  });
  const { statusCode } = response;
  const isPartial = statusCode === 206 && start > 0 && isRange(response.headers["content-range"], start, bytes);
  if (!isPartial && start > 0 && (statusCode === 206 || statusCode === 416)) {
    response.destroy();
    return contentFrom(0, options);
  }
  try {
    if (!isPartial && statusCode !== 200) throw new Error(`the server responded with status ${statusCode}`);
    assertExpectedLength(response, bytes === undefined ? undefined : bytes - (isPartial ? start : 0));
  } catch (error) {
    response.destroy();
    throw error;
  }
  return { response, start: isPartial ? start : 0 };
}

function isRange(range: string | undefined, start: number, bytes = Number.NaN): boolean {
  return [bytes, "*"].some((total) => range === `bytes ${start}-${bytes - 1}/${total}`);
}

function assertExpectedLength({ headers }: IncomingMessage, bytes: number | undefined): void {
  if (/html/i.test(headers["content-type"] ?? "")) throw new Error(WEB_PAGE);
  const offered = headers["content-length"];
  if (bytes === undefined || offered === undefined || Number(offered) === bytes) return;
  throw new Error(`expected ${count(bytes)} bytes, the server offers ${count(Number(offered))}`);
}

const WEB_PAGE =
  "the response is a web page instead of an archive, perhaps the login page of this network: log in with a browser first";

async function save(response: IncomingMessage, start: number, { path, bytes, onProgress }: Download): Promise<void> {
  const offered = response.headers["content-length"];
  const totalBytes = bytes ?? (offered === undefined ? undefined : Number(offered));
  const content = start > 0 ? response[Symbol.asyncIterator]() : gzipChunks(response);
  const first = await content.next(); // before the file is opened, so that an invalid response does not overwrite it
  const file = await open(path, start > 0 ? "a" : "w");
  let doneBytes = start;
  try {
    for (let next = first; !next.done; next = await content.next()) {
      const chunk = next.value as Buffer;
      assertLength(doneBytes + chunk.length, totalBytes);
      await file.writeFile(chunk);
      doneBytes += chunk.length;
      onProgress?.(doneBytes, totalBytes ?? doneBytes);
    }
    if (doneBytes < (totalBytes ?? 0)) throw new Error("the connection was closed");
  } catch (cause) {
    const of = totalBytes === undefined ? "" : ` of ${count(totalBytes)}`;
    throw new Error(`${reasonOf(cause)}, after ${count(doneBytes)}${of} bytes`, { cause });
  } finally {
    await file.close();
  }
}

function assertLength(bytes: number, most = Number.POSITIVE_INFINITY): void {
  if (bytes > most) throw new Error(`the file is longer than ${count(most)} bytes`);
}

/** Yields the chunks of `body`. @throws Error if it does not start with the bytes of a gzip archive */
async function* gzipChunks(body: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let head: Buffer | undefined = Buffer.alloc(0);
  for await (const chunk of body) {
    head = head === undefined ? undefined : Buffer.concat([head, chunk]);
    if (head !== undefined && head.length < GZIP.length) continue;
    if (head !== undefined && !head.subarray(0, GZIP.length).equals(GZIP)) {
      throw new Error(head[0] === 0x3c /* < */ ? WEB_PAGE : "the response is not a gzip archive");
    }
    yield head ?? chunk;
    head = undefined;
  }
}

const count = (value: number) => value.toLocaleString("en");
