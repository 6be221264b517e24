/** Parses and formats the rates of links in the notation of `tc`. */
import { LockstepError } from "@lockstep/errors";

const UNITS = { k: 1e3, m: 1e6, g: 1e9 };

/**
 * Parses a rate: `100mbit` is 100,000,000 bits per second.
 *
 * @throws LockstepError ERR_OPTION
 */
export function parseRate(text: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)([kmg])bit$/i.exec(text) ?? [];
  const rate = Number(number) * UNITS[(unit ?? "").toLowerCase() as keyof typeof UNITS];
  if (rate > 0) return rate;
  throw new LockstepError("ERR_OPTION", `Expected --rate to be a rate such as 1gbit, 100mbit or 500kbit, got ${text}.`);
}

/**
 * Returns the arguments of `tc qdisc add dev … root tbf`. The bucket holds 1/250 s of traffic and at least two full
 * frames. Packets that would wait longer than 50 ms are dropped.
 */
export function tbfWords(bitsPerSecond: number): string[] {
  const burstBytes = Math.max(Math.round(bitsPerSecond / 8 / 250), 3100);
  return ["rate", `${Math.round(bitsPerSecond)}bit`, "burst", `${burstBytes}b`, "latency", "50ms"];
}

/** Returns the megabits per second of a transfer. */
export function mbitPerSecond({ bytes, ms }: { bytes: number; ms: number }): number {
  return (bytes * 8) / 1000 / ms;
}
