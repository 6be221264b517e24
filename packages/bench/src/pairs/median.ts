import { LockstepError } from "@lockstep/errors";

export function median(values: readonly number[]): number {
  if (values.length === 0)
    throw new LockstepError("ERR_BENCH", "Expected at least one measured value; use --steps 1 or more.");
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
