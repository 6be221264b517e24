/** The median of measured values. */
import { LockstepError } from "@lockstep/errors";
import { median as middleOf } from "@lockstep/run";

/**
 * Returns the middle value, or the mean of the two in the middle.
 *
 * @throws LockstepError ERR_BENCH if nothing was measured
 */
export function median(values: readonly number[]): number {
  if (values.length > 0) return middleOf(values);
  throw new LockstepError("ERR_BENCH", "Expected at least one measured value. Use --steps 1 or more.");
}
