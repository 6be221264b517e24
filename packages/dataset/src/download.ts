/** Downloading one file of known size over HTTP, continuing where an earlier try was cut. */
import { existsSync, statSync } from "node:fs";
import { open, rm } from "node:fs/promises";

export interface DownloadOptions {
  url: string;
  /** Size of the whole file. */
  bytes: number;
  /** Where it is written; what is there already is taken for its beginning. */
  path: string;
  /** Longest wait for an answer or the next bytes. */
  stallMs: number;
  onProgress?: ((doneBytes: number, totalBytes: number) => void) | undefined;
}

/**
 * Asks for the bytes that are missing (RFC 9110, section 14). A server that answers with the whole file is taken at
 * its word: the file starts again.
 *
 * @throws Error with the reason; what has come so far stays for the next try, unless it cannot be a beginning
 */
export async function download({ url, bytes, path, stallMs, onProgress }: DownloadOptions): Promise<void> {
  if (existsSync(path) && statSync(path).size > bytes) await rm(path);
  const haveBytes = existsSync(path) ? statSync(path).size : 0;
  if (haveBytes === bytes) return;
  const stalled = new AbortController();
  const deadline = setTimeout(() => stalled.abort(new Error(`nothing came for ${stallMs / 1000} s`)), stallMs);
  try {
    const headers = haveBytes > 0 ? { Range: `bytes=${haveBytes}-` } : {};
    const response = await fetch(url, { headers, signal: stalled.signal });
    if (!response.ok || response.body === null) throw new Error(`the server answered ${response.status} ${response.statusText}`);
    const continues = response.status === 206;
    let doneBytes = continues ? haveBytes : 0;
    const file = await open(path, continues ? "a" : "w");
    try {
      for await (const chunk of response.body) {
        deadline.refresh();
        doneBytes += chunk.length;
        if (doneBytes > bytes) break;
        await file.write(chunk);
        onProgress?.(doneBytes, bytes);
      }
    } finally {
      await file.close();
    }
    if (doneBytes > bytes) await rm(path);
    if (doneBytes !== bytes) throw new Error(`expected ${bytes} bytes, got ${doneBytes > bytes ? "more" : doneBytes}`);
  } finally {
    clearTimeout(deadline);
  }
}

/** The innermost reason of an error: `fetch` says only that it failed, its cause says why. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : reasonOf(error.cause);
}
