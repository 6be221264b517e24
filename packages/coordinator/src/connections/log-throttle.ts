/** A rate limit for lines: strangers can cause as many refusals as they like, and each would be a line. */

/** Time without a line after each that is printed. */
const QUIET_MS = 10_000;

/** Returns a function that prints a line, then none for 10 s, and with the next one how many were left out. */
export function throttleLog(print: (line: string) => void, nowMs: () => number = () => performance.now()) {
  let printedMs = Number.NEGATIVE_INFINITY;
  let suppressed = 0;
  return (line: string): void => {
    if (nowMs() - printedMs < QUIET_MS) {
      suppressed++;
      return;
    }
    print(`${line}${suppressed > 0 ? ` (and ${suppressed} more before)` : ""}`);
    printedMs = nowMs();
    suppressed = 0;
  };
}
