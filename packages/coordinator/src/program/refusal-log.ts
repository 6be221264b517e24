/** The log of refused connections, throttled so that a flood of them cannot flood the terminal. */
import { throttleLog } from "../connections/log-throttle.ts";

/** A connection that the transport refused. */
export interface Refused {
  address: string;
  reason: string;
}

/** Returns a function that prints refused connections through `throttleLog`. */
export function refusalLog(print: (line: string) => void, nowMs?: () => number) {
  const printThrottled = throttleLog(print, nowMs);
  return ({ address, reason }: Refused): void => printThrottled(`refused ${address}: ${reason}`);
}
