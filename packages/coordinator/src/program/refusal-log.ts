/** Tells of those who were not let in or cannot take part, and in a flood of them not of each. */

const QUIET_MS = 10_000;

/** A connection that was not let in, and why. */
export interface Refused {
  address: string;
  reason: string;
}

/** @returns what to call for each who was refused; it prints as `seldom` does */
export function refusalLog(print: (line: string) => void, nowMs?: () => number) {
  const printSeldom = seldom(print, nowMs);
  return ({ address, reason }: Refused): void => printSeldom(`refused ${address}: ${reason}`);
}

/** @returns what to call with each line; it prints one of them, then none for 10 s, and how many they were */
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
