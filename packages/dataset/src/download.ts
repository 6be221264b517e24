/** Downloading one large file over HTTP, in as many attempts as it takes. */
import { open, rm, stat } from "node:fs/promises";
import { get as httpGet, type IncomingMessage } from "node:http";
import { get as httpsGet } from "node:https";

export interface Download {
  url: string;
  /** The size that the whole file must have. */
  bytes: number;
  /** Where the bytes are gathered. What is there already is not asked for again. */
  path: string;
  /** Longest wait for an answer, and then for the next bytes. */
  stallMs: number;
  onProgress?: ((doneBytes: number, totalBytes: number) => void) | undefined;
}

/**
 * Brings `path` to its full size. After an error what has come stays there, and the next call goes on behind it
 * (RFC 9110, section 14), or starts again if the server knows no ranges.
 *
 * @throws Error that says what went wrong
 */
export async function download({ url, bytes, path, stallMs, onProgress }: Download): Promise<void> {
  const haveBytes = await sizeOf(path);
  if (haveBytes === bytes) return;
  const response = await answerTo(url, haveBytes < bytes ? haveBytes : 0, stallMs);
  try {
    if (response.statusCode === 416) await rm(path); // what is there is no part of what the server has
    let doneBytes = startOf(response, haveBytes, bytes);
    const file = await open(path, doneBytes > 0 ? "a" : "w");
    try {
      for await (const chunk of response as AsyncIterable<Buffer>) {
        if (doneBytes + chunk.length > bytes) throw new Error(`the file is longer than ${count(bytes)} bytes`);
        await file.writeFile(chunk);
        doneBytes += chunk.length;
        onProgress?.(doneBytes, bytes);
      }
      if (doneBytes < bytes) throw new Error("the connection was closed");
    } catch (cause) {
      throw new Error(`${reasonOf(cause)}, after ${count(doneBytes)} of ${count(bytes)} bytes`, { cause });
    } finally {
      await file.close();
    }
  } finally {
    response.destroy();
  }
}

/** What went wrong, in words. Node gives only a code where it tried several addresses of a host. */
export function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  return cause.message || String((cause as NodeJS.ErrnoException).code);
}

function sizeOf(path: string): Promise<number> {
  return stat(path).then(
    ({ size }) => size,
    () => 0,
  );
}

/**
 * Resolves when the headers are there. Not `fetch`, which would unpack the file where a server gives a .gz the header
 * `Content-Encoding: x-gzip`, as Apache does.
 */
function answerTo(url: string, start: number, stallMs: number): Promise<IncomingMessage> {
  const get = new URL(url).protocol === "http:" ? httpGet : httpsGet;
  const headers = start > 0 ? { range: `bytes=${start}-` } : {};
  return new Promise((resolve, reject) => {
    const request = get(url, { headers, timeout: stallMs, agent: false }, resolve);
    request.on("timeout", () => request.destroy(new Error(`nothing came for ${stallMs / 1000} s`)));
    request.on("error", reject);
  });
}

/** The place in the file at which the body of the response starts. */
function startOf({ statusCode, headers }: IncomingMessage, haveBytes: number, bytes: number): number {
  const start = statusCode === 206 ? haveBytes : 0;
  if (statusCode !== 200 && (statusCode !== 206 || !headers["content-range"]?.startsWith(`bytes ${start}-`))) {
    throw new Error(`the server answered with status ${statusCode}`);
  }
  const offered = headers["content-length"];
  if (offered !== undefined && Number(offered) !== bytes - start) {
    throw new Error(`expected ${count(bytes - start)} bytes, the server offers ${count(Number(offered))}`);
  }
  return start;
}

const count = (value: number) => value.toLocaleString("en");
