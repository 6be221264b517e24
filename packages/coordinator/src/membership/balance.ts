/** Load balancing: the share of a batch that each worker gets. */

/** Whether shares of a batch are proportional to the workers' speeds or equal. */
export type Balance = "speed" | "even";

/** Shares stay even while the fastest worker is at most this many times as fast as the slowest. */
const EVEN_RATIO = 1.15;

/** Weight of a new measurement in the moving average. */
const NEW_SHARE = 0.3;

/** Returns the exponential moving average after one more measurement, in samples per millisecond. */
export function smoothed(before: number | undefined, samplesPerMs: number): number {
  return before === undefined ? samplesPerMs : (1 - NEW_SHARE) * before + NEW_SHARE * samplesPerMs;
}

/**
 * Returns a weight for each worker. With `speed`, a weight is the worker's measured speed, so that all finish at the
 * same time; weights are even where speeds are similar, so that noise does not move slices. A worker without a
 * measurement counts as the slowest of the others.
 *
 * @param speeds in samples per millisecond
 */
export function weightsOf(speeds: readonly (number | undefined)[], balance: Balance): number[] {
  const known = speeds.filter((speed) => speed !== undefined);
  const [slowest, fastest] = [Math.min(...known), Math.max(...known)];
  if (balance === "even" || known.length === 0 || fastest <= EVEN_RATIO * slowest) return speeds.map(() => 1);
  return speeds.map((speed) => speed ?? slowest);
}
