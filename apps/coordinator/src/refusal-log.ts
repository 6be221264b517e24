/** Tells of those who were not let in, and in a flood of them not of each. */

const QUIET_MS = 10_000;

export interface Refused {
  address: string;
  reason: string;
}

/** @returns what to call for each who was refused; prints one of them, then none for 10 s, and how many they were */
export function refusalLog(print: (line: string) => void, nowMs: () => number = () => performance.now()) {
  let printedMs = Number.NEGATIVE_INFINITY;
  let untold = 0;
  return ({ address, reason }: Refused): void => {
    if (nowMs() - printedMs < QUIET_MS) {
      untold++;
      return;
    }
    print(`refused ${address}: ${reason}${untold > 0 ? ` (and ${untold} more before)` : ""}`);
    printedMs = nowMs();
    untold = 0;
  };
}
