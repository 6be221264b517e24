/** Prints who was refused, and in a flood of refusals not each one. */

/** How long nothing is printed after a line. */
const QUIET_MS = 10_000;

/** A connection that was not let in, and why. */
export interface Refused {
  address: string;
  reason: string;
}

/** Returns a function that prints a refused connection, as seldom as `seldom` does. */
export function refusalLog(print: (line: string) => void, nowMs?: () => number) {
  const printSeldom = seldom(print, nowMs);
  return ({ address, reason }: Refused): void => printSeldom(`refused ${address}: ${reason}`);
}

/** Returns a function that prints a line, then none for 10 s, and with the next one how many were left out. */
export function seldom(print: (line: string) => void, nowMs: () => number = () => performance.now()) {
  let printedMs = Number.NEGATIVE_INFINITY;
  let untold = 0;
  return (line: string): void => {
    if (nowMs() - printedMs < QUIET_MS) {
      untold++;
      return;
    }
    print(`${line}${untold > 0 ? ` (and ${untold} more before)` : ""}`);
    printedMs = nowMs();
    untold = 0;
  };
}
