/** Counts how often joins from each remote address were refused within the last minute. */
import { networkOf } from "../addresses.ts";

const WINDOW_MS = 60_000;
/** Most addresses that are remembered; with more, the one refused least recently is forgotten. */
const MAX_ADDRESSES = 4096;

/** Counts refused joins for each address; what it remembers is bounded, whatever addresses come. */
export class AuthRateLimit {
  readonly #times = new Map<string, number[]>();
  readonly #perAddress: number;

  /** @param perAddress how far to count for one address */
  constructor(perAddress: number) {
    this.#perAddress = perAddress;
  }

  /** Returns the refused joins from this address within the minute that ends now, at most `perAddress`. */
  count(nowMs: number, address: string): number {
    return (this.#times.get(networkOf(address)) ?? []).filter((timeMs) => timeMs > nowMs - WINDOW_MS).length;
  }

  /** Counts one refused join. */
  add(nowMs: number, address: string): void {
    const network = networkOf(address);
    const times = [...(this.#times.get(network) ?? []), nowMs].slice(-this.#perAddress);
    this.#times.delete(network); // A Map lists its keys in the order they were added: this one becomes the last.
    this.#times.set(network, times);
    const [oldest] = this.#times.keys();
    if (this.#times.size > MAX_ADDRESSES && oldest !== undefined) this.#times.delete(oldest);
  }

  /** Number of addresses that are remembered. */
  get addresses(): number {
    return this.#times.size;
  }
}
