/** How fast the way from the coordinator is, as the probes that it sends after `welcome` show. */
import { LINK_PROBES } from "@lockstep/gradient-sync";

/** Times the probes of one connection. */
export class LinkSpeed {
  readonly #arrivedMs: number[] = [];

  /**
   * Counts a probe. Each comes as long after the one before as the link needs for its bytes, except when this thread
   * was busy.
   *
   * @returns bytes per second once all probes are here, and only then
   */
  probe(bytes: number, nowMs: number): number | undefined {
    this.#arrivedMs.push(nowMs);
    if (this.#arrivedMs.length !== LINK_PROBES) return undefined;
    const gapsMs = this.#arrivedMs.slice(1).map((ms, i) => ms - (this.#arrivedMs[i] ?? ms));
    const medianMs = gapsMs.sort((a, b) => a - b)[Math.floor(gapsMs.length / 2)] ?? 0;
    return (1000 * bytes) / Math.max(0.1, medianMs);
  }
}
