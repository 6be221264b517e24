/** Renews a lease in its file. A thread loads this module, so it imports little. */
import { ignoreFileErrors } from "../best-effort.ts";
import { rewriteFile } from "../rewrite-file.ts";

/** The data that a thread needs to renew a lease. */
export interface Renewal {
  path: string;
  token: string;
  /** Milliseconds since the lease was acquired. */
  heldMs: number;
  /** Milliseconds between two renewals. */
  everyMs: number;
}

const HELD_MS_DIGITS = 13;

/** Formats the time held with a fixed number of digits, so that a renewal can replace it in place. */
export const formatHeldMs = (heldMs: number): string => String(Math.round(heldMs)).padStart(HELD_MS_DIGITS, "0");

/** Returns whether the content of a lease file belongs to the lease with this token. */
export const isLeaseOf = (token: string, content: string): boolean => content.includes(`"token": "${token}"`);

/**
 * Renews the lease if the file still has its token. Returns the content found; undefined if the file does not exist.
 */
export function renewInPlace({ path, token, heldMs }: Omit<Renewal, "everyMs">): string | undefined {
  return rewriteFile(path, (content) =>
    isLeaseOf(token, content) ? content.replace(/"heldMs": "\d+"/, `"heldMs": "${formatHeldMs(heldMs)}"`) : undefined,
  );
}

/**
 * Renews a lease periodically. Ignores disk errors; the next renewal retries.
 *
 * @param onReplaced receives the file's content if it is no longer this lease's; undefined if the file was deleted
 * @returns a function that stops the renewals
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
