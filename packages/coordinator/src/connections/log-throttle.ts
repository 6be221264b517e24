/**
 * A rate limit for log lines. Without it, anyone who can reach the port could flood the log with refused connections.
 */

/** Milliseconds after a printed line during which further lines are suppressed. */
const QUIET_MS = 10_000;

/** Returns a function that prints at most one line per 10 s; each printed line counts those suppressed before it. */
export function throttleLog(print: (line: string) => void, nowMs: () => number = () => performance.now()) {
  let printedMs = Number.NEGATIVE_INFINITY;
  let suppressed = 0;
  return (line: string): void => {
    if (nowMs() - printedMs < QUIET_MS) {
      suppressed++;
      return;
    }
    print(`${line}${suppressed > 0 ? ` (${suppressed} more suppressed)` : ""}`);
    printedMs = nowMs();
    suppressed = 0;
  };
}
