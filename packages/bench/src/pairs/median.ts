/** The median, which all figures of a bench are. */
import { LockstepError } from "@lockstep/errors";

/** @throws LockstepError ERR_BENCH for no values */
export function median(values: readonly number[]): number {
  if (values.length === 0)
    throw new LockstepError("ERR_BENCH", "Expected at least one measured value; use --steps 1 or more.");
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const [low = Number.NaN, high = low] = sorted.length % 2 === 1 ? sorted.slice(middle) : sorted.slice(middle - 1);
  return sorted.length % 2 === 1 ? low : (low + high) / 2;
}
