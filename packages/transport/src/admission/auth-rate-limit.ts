/** Counts the refused joins from each remote network within the last minute. */
import { networkOf } from "../addresses.ts";

const WINDOW_MS = 60_000;
/** Maximum number of networks to remember; beyond it, the one with the oldest refusal is forgotten. */
const MAX_ADDRESSES = 4096;

/** Counts refused joins per network, in bounded memory. */
export class AuthRateLimit {
  readonly #times = new Map<string, number[]>();
  readonly #perAddress: number;

  /** @param perAddress maximum count for one network */
  constructor(perAddress: number) {
    this.#perAddress = perAddress;
  }

  /** Returns the number of refused joins from this address's network within the last minute, at most `perAddress`. */
  count(nowMs: number, address: string): number {
    return (this.#times.get(networkOf(address)) ?? []).filter((timeMs) => timeMs > nowMs - WINDOW_MS).length;
  }

  /** Counts one refused join. */
  add(nowMs: number, address: string): void {
    const network = networkOf(address);
    const times = [...(this.#times.get(network) ?? []), nowMs].slice(-this.#perAddress);
    this.#times.delete(network); // a Map lists its keys in order of insertion: this one becomes the last
    this.#times.set(network, times);
    const [oldest] = this.#times.keys();
    if (this.#times.size > MAX_ADDRESSES && oldest !== undefined) this.#times.delete(oldest);
  }

  /** Number of networks that are remembered. */
  get addresses(): number {
    return this.#times.size;
  }
}
