/** Measures the download bandwidth from the probes that the coordinator sends after `welcome`. */
import { LINK_PROBES } from "@lockstep/gradient-sync";
import { median } from "@lockstep/run";

/** Times the probes of one connection. */
export class LinkSpeed {
  readonly #arrivedMs: number[] = [];

  /**
   * Counts a probe. The gap between two probes is the time that the link needs for the bytes of one, unless this thread
   * was busy; the median leaves such gaps out.
   *
   * @returns bytes per second at the last probe, before it undefined
   */
  probe(bytes: number, nowMs: number): number | undefined {
    this.#arrivedMs.push(nowMs);
    if (this.#arrivedMs.length !== LINK_PROBES) return undefined;
    const gapsMs = this.#arrivedMs.slice(1).map((ms, i) => ms - (this.#arrivedMs[i] ?? ms));
    return (1000 * bytes) / Math.max(0.1, median(gapsMs));
  }
}
