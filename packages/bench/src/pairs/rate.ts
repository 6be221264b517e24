/** Rates of links, as `tc` writes them. */
import { LockstepError } from "@lockstep/errors";

const UNITS = { k: 1e3, m: 1e6, g: 1e9 };

/**
 * `100mbit` → 100,000,000 bits a second.
 *
 * @throws LockstepError ERR_OPTION
 */
export function parseRate(text: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)([kmg])bit$/i.exec(text) ?? [];
  const rate = Number(number) * UNITS[(unit ?? "").toLowerCase() as keyof typeof UNITS];
  if (rate > 0) return rate;
  throw new LockstepError("ERR_OPTION", `Expected --rate to be such as 1gbit, 100mbit or 500kbit, got ${text}.`);
}

/**
 * The words after `tc qdisc add dev … root tbf`: the bucket holds what passes in 1/250 s, and at least two full
 * frames; what waits longer than 50 ms in the queue is dropped.
 */
export function tbfWords(bitsPerSecond: number): string[] {
  const burstBytes = Math.max(Math.round(bitsPerSecond / 8 / 250), 3100);
  return ["rate", `${Math.round(bitsPerSecond)}bit`, "burst", `${burstBytes}b`, "latency", "50ms"];
}

/** Megabits a second of a transfer. */
export function mbitPerSecond({ bytes, ms }: { bytes: number; ms: number }): number {
  return (bytes * 8) / 1000 / ms;
}
