/** How much of a batch each worker gets. */

/** Whether shares of a batch follow the workers' speeds, or are equal. */
export type Balance = "speed" | "even";

/** Shares stay even while the fastest worker is at most this much faster than the slowest. */
const ALIKE = 1.15;

/** How much a new measurement counts against those before it. */
const NEW_SHARE = 0.3;

/** A speed, in samples a millisecond, after one more measurement. */
export function smoothed(before: number | undefined, samplesPerMs: number): number {
  return before === undefined ? samplesPerMs : (1 - NEW_SHARE) * before + NEW_SHARE * samplesPerMs;
}

/**
 * A weight for each worker. With `speed` it is its measured speed, so that all end at the same time; but even ones
 * where speeds are alike, so that noise does not move the slices. A worker that was not measured yet counts as the
 * slowest of the others.
 *
 * @param speeds samples a millisecond
 */
export function weightsOf(speeds: readonly (number | undefined)[], balance: Balance): number[] {
  const known = speeds.filter((speed) => speed !== undefined);
  const [slowest, fastest] = [Math.min(...known), Math.max(...known)];
  if (balance === "even" || known.length === 0 || fastest <= ALIKE * slowest) return speeds.map(() => 1);
  return speeds.map((speed) => speed ?? slowest);
}
