/** Downloading one large gzip archive over HTTP, in as many attempts as it takes. */
import { open, rm } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { getFollowingRedirects } from "./get.ts";

/** A file to download, and where it is kept. */
export interface Download {
  url: string;
  /** The file that gathers the bytes. Those that it has already are not asked for again, if `bytes` is known. */
  path: string;
  /** The size that the whole file must have. @default what the server says; then nothing is continued */
  bytes?: number | undefined;
  /** Longest wait for an answer, and then for the next bytes. */
  stallMs: number;
  onProgress?: ((doneBytes: number, totalBytes: number) => void) | undefined;
  /** Certificates to trust, in PEM form. @default those of known authorities */
  ca?: string | undefined;
}

/** With these two bytes every gzip archive begins (RFC 1952). */
const GZIP = Buffer.from([0x1f, 0x8b]);

/**
 * Brings `path` to its full size. After an error the bytes received so far are kept, and the next call requests the rest
 * (RFC 9110, section 14), or the whole file if the server does not support ranges. Only a gzip archive is kept.
 *
 * @throws Error that says what went wrong; LockstepError ERR_PROXY if a proxy refuses
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

/** Returns what went wrong, in words. Node gives only a code where it tried several addresses of a host. */
export function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  return cause.message || String((cause as NodeJS.ErrnoException).code);
}

/** Returns how many bytes of the archive are there. A file that cannot be the beginning of one is deleted. */
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

/** Requests the bytes from `start` on, or the whole file if the server does not support ranges. */
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
    if (!isPartial && statusCode !== 200) throw new Error(`the server answered with status ${statusCode}`);
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
  "a web page came instead of an archive, perhaps the login page of this network: open a browser and log in first";

async function save(response: IncomingMessage, start: number, { path, bytes, onProgress }: Download): Promise<void> {
  const offered = response.headers["content-length"];
  const totalBytes = bytes ?? (offered === undefined ? undefined : Number(offered));
  const content = start > 0 ? response[Symbol.asyncIterator]() : gzipChunks(response);
  const first = await content.next(); // before the file is opened: if it is no archive, what was there stays
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

/** The chunks of `body`, once its first bytes are those of a gzip archive. */
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
