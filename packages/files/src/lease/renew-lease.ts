/** Renews a lease in its file. Threads load this module, so it imports little. */
import { ignoreFileErrors } from "../best-effort.ts";
import { rewriteFile } from "../rewrite-file.ts";

/** The facts that a thread needs to renew a lease. */
export interface Renewal {
  path: string;
  token: string;
  /** Time for which the lease has been held. */
  heldMs: number;
  /** The time between two renewals. */
  everyMs: number;
}

const HELD_MS_DIGITS = 13;

/** The time as a lease file has it: always of the same length, so that it can be replaced in place. */
export const formatHeldMs = (heldMs: number): string => String(Math.round(heldMs)).padStart(HELD_MS_DIGITS, "0");

/** Tells whether the content of a lease file is that of the lease with this token. */
export const isLeaseOf = (token: string, content: string): boolean => content.includes(`"token": "${token}"`);

/** Renews the lease if the file still has its token. Returns the content found; undefined if there is no file. */
export function renewInPlace({ path, token, heldMs }: Omit<Renewal, "everyMs">): string | undefined {
  return rewriteFile(path, (content) =>
    isLeaseOf(token, content) ? content.replace(/"heldMs": "\d+"/, `"heldMs": "${formatHeldMs(heldMs)}"`) : undefined,
  );
}

/**
 * Renews a lease again and again. Ignores disk errors; the next renewal retries.
 *
 * @param onReplaced is told what is found where the lease is not; undefined if the file is gone
 * @returns a function that ends it
 */
export function keepRenewing(renewal: Renewal, onReplaced: (found: string | undefined) => void): () => void {
  const sinceMs = performance.now() - renewal.heldMs;
  const timer = setInterval(() => {
    ignoreFileErrors(() => {
      const found = renewInPlace({ ...renewal, heldMs: performance.now() - sinceMs });
      if (found === undefined || !isLeaseOf(renewal.token, found)) onReplaced(found);
    });
  }, renewal.everyMs).unref();
  return () => clearInterval(timer);
}
