/** Prints who was refused, and in a flood of refusals not each one. */
import { throttleLog } from "../connections/log-throttle.ts";

/** A connection that was not let in, and why. */
export interface Refused {
  address: string;
  reason: string;
}

/** Returns a function that prints a refused connection, as seldom as `seldom` does. */
export function refusalLog(print: (line: string) => void, nowMs?: () => number) {
  const printThrottled = throttleLog(print, nowMs);
  return ({ address, reason }: Refused): void => printThrottled(`refused ${address}: ${reason}`);
}
